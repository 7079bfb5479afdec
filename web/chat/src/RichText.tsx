// A text with its entities. Telegram counts offsets in UTF-16 units, and so do JavaScript's strings.

import { memo, useState, type ReactNode } from "react";
import { copy, openLink, openName, read, say, toast } from "./store";
import type { Entity } from "./types";

export const RichText = memo(function RichText({ text, entities, chat }: { text: string; entities: Entity[]; chat: string }) {
  return <>{slice(text, sorted(text, entities), 0, text.length, chat)}</>;
});

/** Whole entities inside the text, outer ones first. */
function sorted(text: string, entities: Entity[]): Entity[] {
  return entities
    .filter((one) => one.length > 0 && one.offset >= 0 && one.offset + one.length <= text.length)
    .sort((a, b) => a.offset - b.offset || b.length - a.length);
}

function slice(text: string, entities: Entity[], from: number, to: number, chat: string): ReactNode[] {
  const parts: ReactNode[] = [];
  let at = from;
  let index = 0;
  while (index < entities.length) {
    const entity = entities[index]!;
    const start = Math.max(entity.offset, at);
    const end = Math.min(entity.offset + entity.length, to);
    index += 1;
    if (start >= end) continue;
    const before = text.slice(at, start);
    if (before) parts.push(BLOCKS.has(entity.type) ? before.replace(/\n$/, "") : before);
    const inner: Entity[] = [];
    while (index < entities.length && entities[index]!.offset < end) inner.push(entities[index++]!);
    const later = inner.filter((one) => one.offset + one.length > end).map((one) => cutBefore(one, end));
    entities = [...entities.slice(0, index), ...later, ...entities.slice(index)];
    const shown = text.slice(start, end);
    parts.push(
      <Marked key={`${start}-${entity.type}`} entity={entity} shown={shown} chat={chat}>
        {slice(text, inner, start, end, chat)}
      </Marked>,
    );
    // A block ends its line by itself.
    at = BLOCKS.has(entity.type) && text[end] === "\n" ? end + 1 : end;
  }
  if (at < to) parts.push(text.slice(at, to));
  return parts;
}

const BLOCKS = new Set(["pre", "blockquote", "expandable_blockquote"]);

const cutBefore = (entity: Entity, at: number): Entity => ({
  ...entity,
  offset: at,
  length: entity.offset + entity.length - at,
});

function Marked({ entity, shown, chat, children }: { entity: Entity; shown: string; chat: string; children: ReactNode }) {
  switch (entity.type) {
    case "bold":
      return <strong>{children}</strong>;
    case "italic":
      return <em>{children}</em>;
    case "underline":
      return <u>{children}</u>;
    case "strikethrough":
      return <s>{children}</s>;
    case "spoiler":
      return <Spoiler>{children}</Spoiler>;
    case "code":
      return (
        <code className="code" title="Copy" onClick={() => void copy(shown)}>
          {children}
        </code>
      );
    case "pre":
      return <Pre text={shown} language={entity.language} />;
    case "blockquote":
      return <blockquote className="quote">{children}</blockquote>;
    case "expandable_blockquote":
      return <LongQuote>{children}</LongQuote>;
    case "text_link":
      return <Link to={entity.url ?? ""}>{children}</Link>;
    case "url":
      return <Link to={shown}>{children}</Link>;
    case "email":
      return <Link to={`mailto:${shown}`}>{children}</Link>;
    case "phone_number":
      return <Link to={`tel:${shown}`}>{children}</Link>;
    case "mention":
      return <Act act={() => void openName(shown.slice(1))}>{children}</Act>;
    case "bot_command":
      return <Act act={() => void say(chat, shown)}>{children}</Act>;
    case "text_mention":
      return <Act act={() => toast(`${entity.user?.first_name ?? shown} has the id ${entity.user?.id ?? "?"}.`)}>{children}</Act>;
    case "hashtag":
    case "cashtag":
      return <span className="tag">{children}</span>;
    default:
      return <>{children}</>;
  }
}

function Link({ to, children }: { to: string; children: ReactNode }) {
  const href = /^[a-z][a-z0-9+.-]*:/i.test(to) ? to : `https://${to}`;
  const safe = /^(https?|mailto|tel|tg):/i.test(href) ? href : undefined;
  return (
    <a
      href={safe}
      title={to}
      rel="noopener noreferrer"
      onClick={(event) => {
        event.preventDefault();
        void openLink(to);
      }}
    >
      {children}
    </a>
  );
}

function Act({ act, children }: { act: () => void; children: ReactNode }) {
  return (
    <button type="button" className="textual" onClick={act}>
      {children}
    </button>
  );
}

function Spoiler({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState(false);
  if (open) return <span className="spoiler open">{children}</span>;
  return (
    <button type="button" className="spoiler" aria-label="Hidden text: press to show" onClick={() => setOpen(true)}>
      <span aria-hidden="true">{children}</span>
    </button>
  );
}

function LongQuote({ children }: { children: ReactNode }) {
  const [open, setOpen] = useState(false);
  return (
    <blockquote className={open ? "quote" : "quote folded"}>
      {children}
      <button type="button" className="unfold" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "less" : "more"}
      </button>
    </blockquote>
  );
}

function Pre({ text, language }: { text: string; language: string | undefined }) {
  return (
    <span className="pre">
      <span className="pre-head">
        {language || "code"}
        <button type="button" onClick={() => void copy(text)}>
          copy
        </button>
      </span>
      <code tabIndex={0}>{text}</code>
    </span>
  );
}

/** Up to three emoji and nothing else are shown large. */
export function isJumbo(text: string): boolean {
  return text.length <= 30 && /^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\u200d\ufe0f\p{Extended_Pictographic}]*\s?){1,3}$/u.test(text);
}

export const myName = () => read().me?.first_name ?? "";
