// What all views share: elements, requests, and a note for what failed.

// el("a.tile", {href, onclick, dataset}, ...children): an element with its classes, properties and children.
export function el(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("aria-") || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

export async function request(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (answer.status === 401) location.replace("/login");
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(value?.error ?? value?.detail?.[0]?.msg ?? value?.detail ?? `the server answers ${answer.status}`);
  return value;
}

let hiding = 0;

// Runs what may fail; a failure is shown, and gives null.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    note(error.message);
    return null;
  }
}

export function note(text) {
  const element = document.getElementById("note");
  element.textContent = text;
  element.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { element.hidden = true; }, 6000);
}

export const path = (...parts) => `/api/${parts.map(encodeURIComponent).join("/")}`;

export function ago(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// One colour for each number, far apart in hue for numbers near each other; as the annotated video has them.
export function colour(number) {
  const hue = (number * 0.618033988749895) % 1;
  return `hsl(${Math.round(hue * 360)} 90% 62%)`;
}

export const STATES = {
  connecting: "waiting for its first frame",
  live: "frames arrive",
  stale: "no frames arrive",
  reconnecting: "no connection",
  paused: "paused: no frames are read",
  ended: "it has ended",
  failed: "it has failed",
};
