"""Which statuses of listings mean that a listing is no longer available."""

from __future__ import annotations

import re
import unicodedata

import pandas as pd

from market.data.currencies import plain

# A status counts as one of these if it equals it, or begins with it: "sold out", "deleted by user".
UNAVAILABLE = frozenset((
    "archived", "banned", "blocked", "booked", "cancelled", "canceled", "closed", "completed",
    "deactivated", "deleted", "disabled", "draft", "ended", "expired", "finished", "hidden",
    "inactive", "not available", "off sale", "on hold", "out of stock", "paused", "purchased",
    "rejected", "removed", "reserved", "sold", "sold out", "soldout", "suspended", "unavailable",
    "unpublished", "withdrawn",
    "verkauft", "reserviert", "inaktiv", "abgelaufen", "gelöscht", "beendet", "deaktiviert",
    "ausverkauft", "pausiert", "nicht verfügbar",
    "vendu", "vendue", "réservé", "réservée", "expiré", "expirée", "supprimé", "supprimée",
    "inactif", "indisponible", "épuisé",
    "vendido", "vendida", "reservado", "reservada", "caducado", "eliminado", "inactivo",
    "agotado", "no disponible", "expirado", "inativo", "esgotado", "indisponível",
    "venduto", "venduta", "riservato", "scaduto", "eliminato", "inattivo", "esaurito",
    "verkocht", "gereserveerd", "verlopen", "verwijderd", "inactief", "niet beschikbaar",
    "såld", "reserverad", "solgt", "reserveret", "reservert", "myyty", "varattu",
    "sprzedane", "sprzedany", "zarezerwowane", "nieaktywne", "prodáno", "rezervováno",
    "продано", "продан", "забронировано", "неактивно", "снято", "satıldı",
    "売り切れ", "売切れ", "売切", "売却済み", "売却済", "販売終了", "取引中", "取引完了",
    "予約済み", "削除済み", "停止中", "已售", "已售出", "已下架", "已预订", "售罄", "已删除",
    "판매완료", "예약중", "거래완료",
))  # fmt: skip
AVAILABLE = frozenset((
    "active", "approved", "available", "enabled", "for sale", "in stock", "listed", "live", "new",
    "on sale", "online", "open", "published", "relisted", "visible",
    "aktiv", "verfügbar", "veröffentlicht", "actif", "disponible", "en ligne", "en vente",
    "activo", "activa", "publicado", "en venta", "ativo", "ativa", "disponível", "à venda",
    "attivo", "attiva", "disponibile", "in vendita", "actief", "beschikbaar", "te koop",
    "till salu", "til salg", "myynnissä", "aktywne", "dostępne", "aktivní", "активно", "в продаже",
    "販売中", "出品中", "公開中", "在售", "판매중",
))  # fmt: skip
MAX_WORDS = max(len(status.split()) for status in UNAVAILABLE)


def find_unavailable(statuses: pd.Series) -> pd.Series:
    """Find the listings that are sold, reserved, inactive or gone.

    Parameters
    ----------
    statuses
        As sellers' software writes them (n,); missing if unknown.

    Returns
    -------
    pd.Series
        (n,) bool. Unknown and missing statuses count as available.

    Examples
    --------
    >>> find_unavailable(pd.Series(["Active", "SOLD_OUT", "deleted by user", None])).tolist()
    [False, True, True, False]
    """
    known = statuses.dropna().unique()
    return statuses.isin([status for status in known if _is_unavailable(_words(status))])


def count_unknown_statuses(statuses: pd.Series) -> dict[str, int]:
    """Count the listings of each status that neither UNAVAILABLE nor AVAILABLE has."""
    counts = statuses.dropna().value_counts()
    unknown = [
        status
        for status in counts.index
        if not _is_unavailable(_words(status)) and " ".join(_words(status)) not in AVAILABLE
    ]
    return {status: int(counts[status]) for status in unknown}


def _words(status: str) -> list[str]:
    return re.findall(r"[^\W_]+", plain(unicodedata.normalize("NFKC", status)))


def _is_unavailable(words: list[str]) -> bool:
    return any(" ".join(words[:count]) in UNAVAILABLE for count in range(1, MAX_WORDS + 1))
