// What the server is asked. Addresses are relative: the token stands in the page's own.

async function answered(response) {
  if (response.ok) return response;
  let told = `the server answered ${response.status}`;
  try {
    told = (await response.json()).error ?? told;
  } catch {
    // a refusal in plain text
  }
  throw new Error(told);
}

export async function ask(path, query = {}) {
  const words = new URLSearchParams(query).toString();
  return (await answered(await fetch(words ? `${path}?${words}` : path))).json();
}

export async function tell(path, data = {}) {
  const sent = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) };
  return (await answered(await fetch(path, sent))).json();
}

export async function plane(path, Numbers) {
  const response = await answered(await fetch(path));
  const data = new Numbers(await response.arrayBuffer());
  return { data, rows: Number(response.headers.get("X-Rows")), columns: Number(response.headers.get("X-Columns")) };
}
