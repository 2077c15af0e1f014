// Numbers as text.

export function pounds(amount) {
  if (amount == null) return "No price";
  if (amount === 0) return "Free";
  const isWhole = Number.isInteger(amount) || amount >= 1000;
  const digits = isWhole ? 0 : 2;
  return amount.toLocaleString("en-GB", {
    style: "currency", currency: "GBP",
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}

/** Two significant digits, as an estimate is no more precise. */
export function roughPounds(amount) {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(amount, 1))) - 1);
  return pounds(Math.round(amount / step) * step);
}

export function kilometres(distance) {
  return distance < 1 ? "under 1 km" : `${Math.round(distance).toLocaleString("en-GB")} km`;
}

export function listingCount(number) {
  return `${number.toLocaleString("en-GB")} ${number === 1 ? "listing" : "listings"}`;
}
