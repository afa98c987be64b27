// What a token says of itself.

/** The claims of a token, as it says them itself; the gateway alone knows whether it holds. `null` where it is no JWT. */
export function claims(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

/** Whose a token is, and until when. */
export function aboutToken(token) {
  if (!token) return "Without a token the gateway waits for one as the first message.";
  const said = claims(token);
  if (!said) return "This does not look like a JWT.";
  const until = said.exp ? `, until ${new Date(said.exp * 1000).toLocaleString()}` : "";
  return `Of ${said.sub ?? said.user_id ?? "nobody named"}${until}`;
}
