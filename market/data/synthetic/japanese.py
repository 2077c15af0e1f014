"""The words of the synthetic Japanese marketplace, which writes no spaces."""

from __future__ import annotations

from market.data.synthetic.languages import Kind, Vocabulary


def inflect(kind: Kind, colour: str) -> dict[str, str]:
    """Return what the templates name; Japanese nouns have one form."""
    return {
        "one": kind.one,
        "many": kind.many,
        "colour": colour,
        "coloured_one": f"{colour}の{kind.one}",
    }


def _kinds(*rows: str) -> list[Kind]:
    """Return kinds from rows of a noun, its shape and its median price in yen."""
    return [
        Kind(noun, noun, shape, float(price))
        for noun, shape, price in (row.split("|") for row in rows)
    ]


VOCABULARY = Vocabulary(
    catalogue={
        ("家具・インテリア", "ソファ・椅子"): _kinds(
            "ソファベッド|sofa|18000", "座椅子|sofa|4500", "オフィスチェア|office chair|8000"),
        ("家具・インテリア", "机・収納"): _kinds(
            "学習机|desk|12000", "食器棚|cabinet|15000", "タンス|drawers|9000"),
        ("家具・インテリア", "照明・時計・雑貨"): _kinds(
            "電気スタンド|lamp|3000", "掛け時計|clock|2500", "植木鉢|plant|1500"),
        ("家電・スマホ", "生活家電"): _kinds(
            "冷蔵庫|fridge|22000", "洗濯機|washer|25000", "電子レンジ|microwave|7000",
            "電気ケトル|kettle|2500"),
        ("家電・スマホ", "パソコン"): _kinds(
            "ノートパソコン|laptop|45000", "デスクトップパソコン|tower|40000",
            "モニター|monitor|12000", "キーボード|keyboard|4000", "プリンター|printer|7000"),
        ("家電・スマホ", "スマートフォン"): _kinds(
            "スマートフォン|phone|28000", "スマホケース|phone back|1200",
            "腕時計|watch|9000", "電話機|handset|3000"),
        ("ゲーム・本・音楽", "ゲーム"): _kinds(
            "ゲーム機|console|25000", "コントローラー|gamepad|4500", "携帯ゲーム機|handheld|15000"),
        ("ゲーム・本・音楽", "本・漫画"): _kinds(
            "漫画全巻セット|books|6000", "映画のディスク|case|1500"),
        ("ゲーム・本・音楽", "楽器・レコード"): _kinds(
            "ギター|guitar|16000", "レコード|vinyl|1800"),
        ("レディース", "ワンピース・バッグ"): _kinds(
            "ワンピース|dress|3000", "振袖|dress|30000", "ハンドバッグ|handbag|8000"),
        ("メンズ", "服・靴"): _kinds(
            "シャツ|shirt|1800", "ジーンズ|jeans|3500", "運動靴|shoe|5000"),
        ("コスメ・美容",): _kinds(
            "香水|bottle|4000", "口紅|lipstick|1500", "ヘアドライヤー|hair dryer|4000",
            "櫛|comb|1200"),
        ("ベビー・キッズ", "ベビー用品"): _kinds(
            "ベビーカー|pram|12000", "ベビーベッド|cot|9000", "子供用椅子|high chair|4000"),
        ("ベビー・キッズ", "おもちゃ"): _kinds("ぬいぐるみ|teddy|1500",),
        ("スポーツ・レジャー", "自転車"): _kinds(
            "自転車|bicycle|14000", "電動自転車|bicycle|45000"),
        ("スポーツ・レジャー", "アウトドア・運動"): _kinds(
            "テント|tent|11000", "ダンベル|dumbbell|4000", "テニスラケット|racket|4500",
            "サッカーボール|ball|2000"),
        ("工具・DIY",): _kinds(
            "電動ドリル|drill|7000", "金槌|hammer|1200", "のこぎり|saw|1500", "脚立|ladder|5000",
            "ペンキ|tin|2500"),
    },
    colours={
        "黒": "black", "白": "white", "灰色": "grey", "赤": "red", "青": "blue", "緑": "green",
        "ピンク": "pink", "黄色": "yellow", "紫": "purple", "茶色": "brown", "水色": "teal",
        "オレンジ色": "orange",
    },
    conditions={
        "新品、未使用": 0.35, "未使用に近い": 0.2, "目立った傷や汚れなし": 0.0,
        "やや傷や汚れあり": -0.3, "全体的に状態が悪い": -0.9,
    },
    brands=["桜工房", "富士堂", "アサヒナ", "ミズノ屋", "北斗電機", "青葉", "モリタ", "ユキノ"],
    titles=[
        "{coloured_one}", "{brand}{one}{colour}", "【美品】{brand}の{one}", "中古{one}{colour}",
        "{one}2点セット", "{coloured_one}を売ります", "{brand}　{one}　送料込み", "大きい{one}",
    ],
    sentences=[
        "{coloured_one}を出品します", "{brand}の{one}です", "状態は{condition}です",
        "色は{colour}です", "引っ越しのため{one}を手放します", "中古の{one}ですが問題なく使えます",
    ],
    talk=[
        "即購入歓迎です", "ペットは飼っていません", "喫煙者はいません", "送料込みの価格です",
        "引き取り限定でお願いします", "写真をご確認ください", "細かい傷があります",
        "右側に小さなへこみがあります", "動作確認済みです", "箱と説明書があります",
        "値下げ交渉はご遠慮ください", "数回使用しました", "自宅保管品です", "返品はできません",
        "早い者勝ちです", "質問はコメントからどうぞ", "電池は別売りです", "少し色あせがあります",
    ],
    contact=["電話は{phone}です", "連絡先：{phone}", "メールは{email}まで", "{town}で手渡し可"],
    vague=[("まとめ売り", "写真のものすべてです"), ("いろいろセット", "写真をご覧ください")],
    # No subscriber number begins with 0, so nobody has these.
    phones=["090-0000-0{:03d}", "０８０－００００－０{:03d}", "03-0000-0{:03d}", "0000-00-0{:03d}"],
    sellers=["はなこ", "たろう商店", "yuki_shop", "みかん", "リサイクル本舗", "kenji_m"],
    places=[
        ("東京都", "渋谷区"), ("東京都", "新宿区"), ("東京都", "世田谷区"), ("東京都", "八王子市"),
        ("神奈川県", "横浜市"), ("神奈川県", "川崎市"), ("大阪府", "大阪市"), ("大阪府", "堺市"),
        ("愛知県", "名古屋市"), ("北海道", "札幌市"), ("北海道", "函館市"), ("福岡県", "福岡市"),
        ("福岡県", "北九州市"), ("兵庫県", "神戸市"), ("兵庫県", "姫路市"), ("京都府", "京都市"),
        ("埼玉県", "さいたま市"), ("千葉県", "千葉市"), ("広島県", "広島市"), ("宮城県", "仙台市"),
        ("新潟県", "新潟市"), ("静岡県", "浜松市"), ("静岡県", "静岡市"), ("岡山県", "岡山市"),
        ("熊本県", "熊本市"), ("鹿児島県", "鹿児島市"), ("長崎県", "長崎市"), ("石川県", "金沢市"),
        ("長野県", "長野市"), ("沖縄県", "那覇市"), ("愛媛県", "松山市"), ("香川県", "高松市"),
    ],
    inflect=inflect,
    stop="。",
)  # fmt: skip
