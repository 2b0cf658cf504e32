// The centre's API. A request that fails gives what the reader is to be told, not an exception.

/** The answer of a GET as JSON, null when the centre is away or has no such thing. */
export async function get(path, query = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") words.set(name, value);
  }
  const asked = words.size ? `${path}?${words}` : path;
  try {
    const answer = await fetch(asked, { headers: { accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the centre is away; the connection's state says so
  }
}

/** Send JSON: {ok, status, body}; status 0 when the centre is away. */
export async function post(path, body, token) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, body: text ? JSON.parse(text) : null };
  } catch {
    return { ok: false, status: 0, body: null };
  }
}
