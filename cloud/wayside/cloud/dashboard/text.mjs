// Texts in the reader's language. One dictionary per language, all with the same keys.

const LANGUAGES = ["en", "zh"];
const REMEMBERED = "wayside.language";
const dictionaries = {};

export let language = "en";

/** Load both dictionaries and choose: the remembered language, else the browser's. */
export async function loadTexts() {
  await Promise.all(
    LANGUAGES.map(async (name) => {
      dictionaries[name] = await (await fetch(`/dashboard/text/${name}.json`)).json();
    }),
  );
  const remembered = localStorage.getItem(REMEMBERED);
  const preferred = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  const chosen = [remembered, ...preferred].find((name) => LANGUAGES.includes(name));
  apply(chosen ?? "en");
}

/** Change to the other language and remember it. */
export function switchLanguage() {
  apply(language === "en" ? "zh" : "en");
  localStorage.setItem(REMEMBERED, language);
}

function apply(name) {
  language = name;
  document.documentElement.lang = name === "zh" ? "zh-CN" : "en";
}

/** A text by key, `{name}` replaced by `values.name`. */
export function t(key, values = {}) {
  const text = dictionaries[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** A text by key, or `otherwise` where the dictionary has none (codes that come from the edge). */
export function named(key, otherwise) {
  return dictionaries[language][key] ?? otherwise;
}

/** A duration in seconds, in its largest fitting unit. */
export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 10) return t("unit.s", { n: s.toFixed(1) });
  if (s < 120) return t("unit.s", { n: Math.floor(s) });
  if (s < 7200) return t("unit.min", { n: Math.floor(s / 60) });
  if (s < 172800) return t("unit.h", { n: Math.floor(s / 3600) });
  return t("unit.d", { n: Math.floor(s / 86400) });
}
