"""Names that columns and tables have in exports, in several languages and on several platforms."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# By field, its names as `normalise` returns them. The earlier a name stands, the better it fits.
LISTING_NAMES = {
    "id": """id | product id | listing id | item id | ad id | advert id | offer id | article id
        | post id | train id | test id | uuid | guid | handle | sku | variant sku | asin | key
        | product code | item number | listing number | article number | number | reference | ref
        | anzeigennummer | anzeigen id | anzeigennr | anzeigen nr | inserate nr | inserat nr | artikel nr | artikelnummer | artikelnr | artikel id
        | angebotsnummer | produktnummer | produkt id | inseratenummer | kennung | nummer | nr
        | identifiant | id annonce | numero annonce | numero d annonce | id produit | id article
        | reference annonce | numero | identificador | id anuncio | numero de anuncio
        | id producto | id articulo | codigo | referencia | id annuncio | codice | codice annuncio
        | id prodotto | advertentie id | advertentienummer | productnummer | id ogloszenia
        | numer ogloszenia | annons id | annonsnummer | annonse id | finnkode | annonceid
        | id объявления | номер объявления | номер | id товара
        | 商品番号 | 商品id | 商品コード | 出品id | 管理番号 | 番号 | 编号 | 商品编号 | 商品编码
        | 商品編號 | 編號 | 상품번호 | 상품id | 번호""",
    "name": """name | title | product name | product title | listing title | item name | item title
        | ad title | advert title | headline | heading | subject | product | item | label
        | titel | anzeigentitel | bezeichnung | artikelname | artikelbezeichnung | produktname
        | uberschrift | betreff | nom | titre | titre annonce | nom du produit | intitule | libelle
        | nombre | titulo | titulo del anuncio | nombre del producto | asunto | titolo | oggetto
        | nome | nome do produto | titulo do anuncio | naam | productnaam | nazwa | tytul | tytuł
        | rubrik | namn | tittel | overskrift | otsikko | nev | cim | nazev | baslik
        | название | заголовок | наименование | имя | 商品名 | タイトル | 名前 | 件名 | 品名
        | 标题 | 商品名称 | 名称 | 標題 | 商品名稱 | 名稱 | 제목 | 상품명 | 이름""",
    "description": """description | product description | item description | listing description
        | body | body html | text | details | detail | content | ad text | about | long description
        | full description | notes | comment | summary | short description
        | beschreibung | anzeigentext | artikelbeschreibung | produktbeschreibung | inhalt
        | descriptif | texte | contenu | description du produit | descripcion | detalles | texto
        | contenido | descrizione | testo | descricao | detalhes | conteudo | omschrijving
        | beschrijving | opis | tresc | beskrivning | beskrivelse | kuvaus | leiras | popis
        | aciklama | описание | текст | 商品説明 | 説明 | 商品の説明 | 本文 | 詳細 | 描述
        | 商品描述 | 详情 | 說明 | 설명 | 상품설명 | 내용""",
    "category": """category | category name | categories | category path | primary category
        | product category | google product category | product type | type | department | section
        | genre | class | item category | listing category | subcategory | taxonomy | breadcrumb
        | breadcrumbs | rubric | custom collections
        | kategorie | kategorien | rubrik | warengruppe | produktkategorie | produktart | bereich
        | categorie | categories | rubrique | type de produit | rayon | categoria | categorias
        | seccion | tipo | rubro | categoria del producto | rubriek | kategoria | kategori
        | osasto | kategoria produktu | категория | рубрика | раздел | カテゴリ | カテゴリー
        | 分類 | ジャンル | 类别 | 分类 | 类目 | 類別 | 카테고리 | 분류""",
    "price": """price | asking price | sale price | selling price | current price | list price
        | variant price | start price | buy it now price | unit price | price amount | amount
        | price value | cost | value | original price | regular price | price usd | price eur
        | price gbp | usd | eur | gbp
        | preis | verkaufspreis | preis in euro | preis eur | betrag | kaufpreis | prix
        | prix de vente | prix ttc | montant | tarif | precio | precio de venta | importe | coste
        | prezzo | costo | preco | valor | prijs | vraagprijs | cena | pris | hinta | ar | fiyat
        | цена | стоимость | 価格 | 値段 | 販売価格 | 金額 | 価格 円 | 价格 | 售价 | 金额 | 價格
        | 가격 | 금액 | 판매가""",
    "location": """location | city | town | place | address | area | region | city name | locality
        | item location | seller location | location name | city state | state | county
        | postcode | zip | zip code | postal code | neighbourhood | neighborhood
        | ort | standort | stadt | plz ort | artikelstandort | wohnort | adresse | plz | lieu
        | ville | localisation | commune | localite | code postal | ubicacion | ciudad | lugar
        | poblacion | localidad | provincia | luogo | citta | comune | localita | cidade | local
        | localizacao | plaats | woonplaats | locatie | stad | lokalizacja | miejscowosc | miasto
        | plats | stad | sted | by | sijainti | paikkakunta | telepules | mesto | lokalita | sehir
        | konum | город | местоположение | адрес | 所在地 | 発送元 | 地域 | 発送元の地域 | 場所
        | 住所 | 都道府県 | 市区町村 | 地点 | 城市 | 所在地 | 地區 | 地址 | 지역 | 위치 | 도시""",
    "latitude": """latitude | lat | location lat | location latitude | geo lat
        | breitengrad | breite
        | latitud | latitudine | breddegrad | широта | 緯度 | 纬度 | 위도 | y""",
    "longitude": """longitude | lon | lng | long | location lon | location lng | location longitude
        | geo lon | geo lng | langengrad | lange | longitud | longitudine | lengdegrad | долгота
        | 経度 | 经度 | 경도 | x""",
    "created": """created | created at | created on | creation date | create time | date created
        | posted | posted at | posted on | post date | date posted | listed | listed at
        | listing date
        | published | published at | publication date | date published | date | datetime | time
        | timestamp | date added | added | start time | start date | updated at
        | eingestellt am | eingestellt | erstellt | erstellt am | veroffentlicht am | datum
        | einstelldatum | erstellungsdatum | date de creation | date de publication | cree le
        | publie le | date de depot | data publicacao | data anuncio | fecha | fecha de creacion | fecha de publicacion | creado
        | publicado | data | data di pubblicazione | data de publicacao | data criacao
        | geplaatst | geplaatst op | data dodania | skapad | publicerad | opprettet | oprettet
        | дата | дата создания | дата публикации | 出品日時 | 出品日 | 作成日 | 作成日時 | 登録日
        | 掲載日 | 日時 | 日付 | 发布时间 | 创建时间 | 日期 | 等录日 | 등록일 | 작성일""",
    "status": """status | state of listing | listing status | availability | ad status | item status
        | sold status | verfugbarkeit | zustand der anzeige | statut | disponibilite | etat annonce
        | estado del anuncio | estado anuncio | disponibilidad | stato annuncio | disponibilita
        | situacao | beschikbaarheid | dostepnosc | статус | ステータス | 販売状況 | 販売状態 | 状态
        | 狀態 | 판매상태 | 상태값""",
    "seller_id": """seller id | seller | seller name | seller username | user id | user | username
        | owner | owner id | vendor | vendor id | vendor name | shop | shop id | shop name | store
        | merchant | merchant id | author | posted by | account id | dealer
        | verkaufer | verkaufer id | anbieter | anbieter id | handler | nutzer | benutzer
        | vendeur | id vendeur | annonceur | utilisateur | boutique | vendedor | id vendedor
        | usuario | tienda | anunciante | venditore | utente | negozio | loja | verkoper
        | sprzedawca | sprzedajacy | saljare | selger | saelger | myyja | elado | prodejce | satici
        | продавец | пользователь | 出品者 | 出品者id | 販売者 | 店舗 | ユーザー | 卖家 | 賣家
        | 판매자""",
}  # fmt: skip
PHOTO_NAMES = """image | images | photo | photos | picture | pictures | image url | image urls
    | image link | image src | photo url | photo urls | picture url | pic url | img | imgs | img url
    | thumbnail | gallery | media | additional image link | additional image links | image path
    | image file | photo file | filename | file name | file | path | url | main image | cover
    | variant image | image ref | image name | photo path | gallery url
    | bild | bilder | foto | fotos | bild url | bilder urls | bilddatei | dateiname | datei
    | photographie | photographies | imagenes | imagen | immagine | immagini | imagem | imagens
    | afbeelding | afbeeldingen | zdjecie | zdjecia | bilde | kuva | kuvat | kep
    | fichier | nom du fichier
    | фото | изображение | изображения | 画像 | 写真 | 画像url | 画像ファイル | ファイル名 | 图片
    | 照片 | 圖片 | 사진 | 이미지"""
IMAGE_NAMES = {
    "id": """id | image id | photo id | picture id | bild id | foto id | id photo
        | id image | 画像id""",
    "product_id": LISTING_NAMES["id"] + """ | product | listing | item | ad | anzeige | artikel
        | annonce | anuncio | annuncio | offre | produit | producto | advert""",
    "image_ref": PHOTO_NAMES,
    "create_time": LISTING_NAMES["created"],
}  # fmt: skip
EVENT_NAMES = {
    "user_id": """user id | user | visitor | visitor id | visitorid | customer
        | customer id | client
        | client id | member | member id | session | session id | buyer | buyer id | account
        | account id | uid | person | nutzer | nutzer id | benutzer | besucher | kunde | kunden id
        | kundennummer | utilisateur | id utilisateur | visiteur | usuario | id usuario | visitante
        | cliente | utente | gebruiker | bezoeker | klant | uzytkownik | klient | anvandare | bruker
        | пользователь | клиент | 会員番号 | 会員id | ユーザーid | ユーザー | 顧客id | 用户 | 用户id
        | 會員 | 사용자 | 회원""",
    "product_id": IMAGE_NAMES["product_id"] + """ | movie id | content id | content ids | article
        | gegenstand | objekt | articulo | articolo | artigo | ogloszenie | annons | объявление
        | товар""",
    "event": """event | event type | event name | action | action type | interaction | type
        | behavior | behaviour | activity | rating | interaction type | ereignis | aktion
        | ereignistyp | evenement | action utilisateur | type d evenement | evento | accion
        | tipo de evento | azione | acao | gebeurtenis | actie | zdarzenie | akcja | handelse
        | hendelse | событие | действие | 行動 | イベント | アクション | 操作 | 行为 | 事件 | 行為
        | 이벤트 | 행동""",
    "timestamp": LISTING_NAMES["created"] + """ | at | event time | ts | event timestamp | when
        | zeitpunkt | zeit | uhrzeit | zeitstempel | horodatage | heure | instant | hora
        | momento | marca de tiempo | ora | tijdstip | tijd | czas | tid | tidspunkt | время
        | 時刻 | 時間 | タイムスタンプ | 时间 | 시간""",
}  # fmt: skip
# Names of an event, by what it counts as.
EVENT_VALUES = {
    "view": """view | views | click | clicks | viewed | clicked | impression | open | opened | visit
        | detail | pageview | page view | product view | view item | viewcontent | view content
        | item view | listing view | see | pv | aufruf | ansicht | klick | angesehen | besuch | vue
        | clic | consultation | visite | vista | visita | visto | visualizacion | visualizzazione
        | bekeken | weergave | wyswietlenie | visning | visningar | просмотр | клик | 閲覧
        | クリック | 表示 | 浏览 | 点击 | 瀏覽 | 조회 | 클릭""",
    "save": """save | saved | favorite | favourite | favorites | favourites | like
        | liked | wishlist
        | bookmark | watch | watched | add to wishlist | addtowishlist | cart | add to cart
        | addtocart | add to basket | basket | add to favourites | add to favorites | follow | fav
        | pin | gemerkt | merken | merkliste | favorit | warenkorb | in den warenkorb | beobachtet
        | favori | favoris | ajout au panier | panier | sauvegarde | favorito | favoritos | guardado
        | guardar | carrito | me gusta | anadir al carrito | preferito | preferiti | carrello
        | salvato | salvo | carrinho | bewaard | winkelwagen | ulubione | koszyk | sparad | favoritt
        | lagret | избранное | в избранное | корзина | в корзину | いいね | お気に入り | 保存
        | カート | カートに追加 | 収藏 | 收藏 | 加购 | 加入购物车 | 喜欢 | 찜 | 좋아요
        | 장바구니""",
    "message": """message | messaged | contact | contacted | inquiry | enquiry | chat | reply | call
        | phone | phone call | show phone | contact seller | email | lead | ask | question | offer
        | make offer | comment | send message | nachricht | kontakt | kontaktiert | anfrage | anruf
        | angefragt | contacte | appel | demande | contacter | mensaje | contacto | llamada
        | consulta | messaggio | contatto | chiamata | mensagem | contato | bericht | wiadomosc
        | meddelande | melding | сообщение | звонок | コメント | メッセージ | 問い合わせ | 質問
        | 联系 | 咨询 | 留言 | 문의 | 채팅""",
    "buy": """buy | buys | bought | purchase | purchased | purchases | order | ordered | transaction
        | checkout | sale | sold | pay | payment | conversion | kauf | gekauft | bestellung
        | bestellt | kaufen | achat | achete | commande | commander | compra | comprado | pedido
        | acquisto | acquistato | ordine | encomenda | aankoop | gekocht | bestelling | zakup
        | kop | kopt | kjop | kjopt | покупка | заказ | куплено | 購入 | 注文 | 购买 | 下单 | 支付
        | 購買 | 구매 | 주문""",
}  # fmt: skip
TABLE_NAMES = {
    "products": """products | product | listings | listing | items | item | ads | adverts | offers
        | catalog | catalogue | articles | inventory | anzeigen | artikel | produkte | inserate
        | annonces | produits | anuncios | productos | articulos | annunci | prodotti | anuncios
        | advertenties | ogloszenia | annonser | объявления | товары | 商品 | 出品 | 商品一覧 | 상품
        | train | data | export""",
    "images": """images | image | photos | photo | pictures | media | bilder | fotos | imagenes
        | immagini | zdjecia | фото | 画像 | 写真 | 图片 | 사진""",
    "interactions": """interactions | events | event | clicks | clickstream | log | logs | actions
        | views | behavior | behaviour | activity | ratings | history | ereignisse | klicks
        | aktionen | evenements | eventos | eventi | acciones | zdarzenia | handelser | события
        | 行動履歴 | 行動 | 閲覧履歴 | 履歴 | イベント | 行为 | 이벤트""",
}  # fmt: skip
# Words before or after a name that do not change its meaning: "listing price", "ad_title".
FILLERS = frozenset((
    "product", "listing", "item", "ad", "advert", "variant", "article", "my", "the", "of",
    "des", "der", "die", "das", "du", "l", "d", "del", "di", "do", "da", "el", "de", "la", "le",
    "produit", "producto", "annonce",
    "anuncio", "anzeige", "anzeigen", "artikel", "produkt", "full", "name", "text", "html",
    "url", "value", "in", "location", "geo", "google", "usd", "eur", "gbp",
))  # fmt: skip

# Endings that say nothing alone: a brand name is no name of a listing.
GENERIC = frozenset((
    "id", "name", "title", "type", "number", "nummer", "nr", "code", "url", "text", "key",
    "ref", "class", "state", "comment", "label", "x", "y", "at", "file", "path", "status",
    "data", "local",
))  # fmt: skip


# Events that take another one back.
UNDONE = frozenset({"remove", "removed", "unlike", "delete", "cancel", "unsave", "unfavorite"})


class NameMatch(NamedTuple):
    """How well a column's name fits a field."""

    score: float  # 0 to 1
    is_exact: bool


@lru_cache
def normalise(name: str) -> str:
    """Return a name as words in small letters, without accents: "Body (HTML)" is "body html".

    Examples
    --------
    >>> normalise("itemTitle"), normalise("Verkäufer_ID")
    ('item title', 'verkaufer id')
    """
    words = CAMEL_CASE.sub(" ", unicodedata.normalize("NFKC", name)).casefold().replace("ß", "ss")
    letters = [
        letter
        for letter in unicodedata.normalize("NFD", words)
        if not "\u0300" <= letter <= "\u036f"
    ]
    plain = unicodedata.normalize("NFC", "".join(letters)).replace("ł", "l").replace("ø", "o")
    return " ".join("".join(sign if sign.isalnum() else " " for sign in plain).split())


@lru_cache
def _ranked(names: str) -> dict[str, int]:
    known = [" ".join(name.split()) for name in names.split("|")]
    return {normalise(name): rank for rank, name in reversed([*enumerate(known)])}


def match_name(name: str, names: str) -> NameMatch:
    """Return how well a column's name fits the names of a field.

    Parameters
    ----------
    name
        As the file has it.
    names
        The names of the field, divided by "|", the best first.
    """
    known, words = _ranked(names), normalise(name)
    if words not in known and words.endswith("s") and words[:-1] in known:
        words = words[:-1]
    if words in known:
        return NameMatch(1 - 0.2 * known[words] / len(known), True)
    parts = words.split()
    for kept in _without_fillers(parts):
        if kept in known:
            return NameMatch(0.75 - 0.1 * known[kept] / len(known), False)
    for length in range(min(len(parts) - 1, 3), 0, -1):
        # The last words of a compound say what it is: "seller city" is a city.
        if (ending := " ".join(parts[-length:])) in known and ending not in GENERIC:
            return NameMatch(0.45, False)
    return NameMatch(0.0, False)


def _without_fillers(parts: list[str]) -> list[str]:
    """Return a name without its first fillers, without its last ones, and without any."""
    first, last = parts, parts
    while len(first) > 1 and first[0] in FILLERS:
        first = first[1:]
    while len(last) > 1 and last[-1] in FILLERS:
        last = last[:-1]
    every = [part for part in parts if part not in FILLERS]
    return [" ".join(kept) for kept in (first, last, every)]


def event_kind(value: str) -> str | None:
    """Return what an event counts as by its name, or None if that is unknown."""
    for kind, names in EVENT_VALUES.items():
        if normalise(value) in _ranked(names):
            return kind
    words = normalise(value).split()
    if words and UNDONE & {*words}:
        return None
    # In this order: "contact seller after view" is a message, "add to cart" no view.
    for kind in ("buy", "message", "save", "view"):
        if any(word in _ranked(EVENT_VALUES[kind]) for word in words):
            return kind
    return None
