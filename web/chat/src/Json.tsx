// JSON as text with a little colour; long values can be copied whole.

import { memo, type ReactNode } from "react";
import { copy } from "./store";

const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const SHOWN_MAX = 20_000;

export const Json = memo(function Json({ title, value }: { title: string; value: unknown }) {
  const whole = JSON.stringify(value, null, 2) ?? "null";
  const shown = whole.length > SHOWN_MAX ? `${whole.slice(0, SHOWN_MAX)}\n…` : whole;
  return (
    <figure className="json">
      <figcaption>
        {title}
        <button type="button" onClick={() => void copy(whole)}>
          copy
        </button>
      </figcaption>
      <pre tabIndex={0} aria-label={title}>{coloured(shown)}</pre>
    </figure>
  );
});

function coloured(text: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    parts.push(text.slice(at, match.index));
    const [all, string, colon, word] = match;
    if (string) {
      parts.push(<span key={match.index} className={colon ? "j-key" : "j-string"}>{string}</span>, colon ?? "");
    } else parts.push(<span key={match.index} className={word ? "j-word" : "j-number"}>{all}</span>);
    at = match.index + all.length;
  }
  parts.push(text.slice(at));
  return parts;
}
