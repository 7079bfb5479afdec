// The left column: who I am, search, and my chats. Only the visible rows are in the document.

import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { api } from "./api";
import { Avatar } from "./Avatar";
import { listTime } from "./format";
import { Icon } from "./icons";
import { Menu, under } from "./Menu";
import { goTo, open, refreshTown, useStore, choosePerson, become, read } from "./store";
import { preview } from "./preview";
import { applyTheme, theme, THEMES } from "./theme";
import type { Bot, Dialog, Found, Message } from "./types";

const ROW_PX = 68;
const SPARE_ROWS = 6;

export function DialogList({ onHelp }: { onHelp: () => void }) {
  const [query, setQuery] = useState("");
  return (
    <nav className="sidebar" aria-label="Chats">
      <Head query={query} onQuery={setQuery} onHelp={onHelp} />
      {query.trim() ? <Results query={query.trim()} onDone={() => setQuery("")} /> : <Rows />}
    </nav>
  );
}

function Head({ query, onQuery, onHelp }: { query: string; onQuery: (query: string) => void; onHelp: () => void }) {
  const me = useStore((state) => state.me);
  const people = useStore((state) => state.people);
  const connected = useStore((state) => state.connected);
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);
  const others = people.filter((person) => person.id !== me?.id).slice(-8);
  return (
    <header className="sidebar-head">
      <div className="who">
        <button
          type="button"
          className="me"
          aria-haspopup="menu"
          aria-expanded={menu !== null}
          onClick={(event) => {
            void refreshTown().catch(() => undefined);
            setMenu(under(event.currentTarget));
          }}
        >
          <Avatar id={me?.id ?? 0} name={me?.first_name ?? "?"} small />
          <span className="hidden">You are</span>
          <span className="me-name">{me?.first_name}</span>
          <span className="hidden">: switch person, theme, help</span>
          <span className="caret" aria-hidden="true" />
        </button>
        <span className={connected ? "state" : "state off"} role="status">
          {connected ? "" : "connecting…"}
        </span>
      </div>
      {menu && (
        <Menu
          at={menu}
          label="Switch person"
          onClose={() => setMenu(null)}
          choices={[
            ...others.map((person) => ({
              label: person.first_name,
              detail: String(person.id),
              icon: "people" as const,
              act: () => void become(person),
            })),
            { label: "Somebody else…", icon: "plus", act: choosePerson },
            {
              label: `Theme: ${theme()}`,
              icon: "theme",
              act: () => applyTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]),
            },
            { label: "Keyboard and help", icon: "keyboard", act: onHelp },
          ]}
        />
      )}
      <div className="search">
        <Icon name="search" />
        <input
          id="search"
          type="search"
          placeholder="Search"
          aria-label="Search chats, bots and messages"
          value={query}
          onChange={(event) => onQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") onQuery("");
            if (event.key === "ArrowDown") {
              event.preventDefault();
              document.querySelector<HTMLElement>(".sidebar [data-row]")?.focus();
            }
          }}
        />
      </div>
    </header>
  );
}

function Rows() {
  const order = useStore((state) => state.order);
  const dialogs = useStore((state) => state.dialogs);
  const bots = useStore((state) => state.bots);
  const me = useStore((state) => state.me);
  const opened = useStore((state) => state.open);
  const strangers = useMemo(() => bots.filter((bot) => !dialogs.has(`${bot.id}:${me?.id}`)), [bots, dialogs, me]);
  const total = order.length + (strangers.length ? strangers.length + 1 : 0);
  const { box, first, last, onScroll } = useWindow(total);
  if (total === 0) return <NoBots />;
  const rows = [];
  for (let index = first; index < last; index++) {
    const ref = order[index];
    const dialog = ref === undefined ? undefined : dialogs.get(ref);
    const top = index * ROW_PX;
    if (dialog) {
      rows.push(<Row key={dialog.ref} dialog={dialog} top={top} at={index} of={order.length} open={opened === dialog.ref} />);
    } else if (index === order.length) {
      rows.push(
        <li key="strangers" className="row-title" style={{ top }}>
          Bots you have not met
        </li>,
      );
    } else {
      const bot = strangers[index - order.length - 1];
      if (bot) rows.push(<Stranger key={bot.id} bot={bot} top={top} open={opened === `${bot.id}:${me?.id}`} />);
    }
  }
  return (
    <div className="rows" ref={box} onScroll={onScroll} tabIndex={-1}>
      <ul style={{ height: total * ROW_PX }} onKeyDown={moveFocus}>
        {rows}
      </ul>
    </div>
  );
}

function useWindow(total: number) {
  const box = useRef<HTMLDivElement>(null);
  const [span, setSpan] = useState({ first: 0, last: 20 });
  const look = () => {
    const list = box.current;
    if (!list) return;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW_PX) - SPARE_ROWS);
    const last = Math.ceil((list.scrollTop + list.clientHeight) / ROW_PX) + SPARE_ROWS;
    setSpan((old) => (old.first === first && old.last === last ? old : { first, last }));
  };
  useLayoutEffect(look, [total]);
  useEffect(() => {
    window.addEventListener("resize", look);
    return () => window.removeEventListener("resize", look);
  }, []);
  return { box, first: span.first, last: Math.min(span.last, total), onScroll: look };
}

function moveFocus(event: React.KeyboardEvent<HTMLElement>): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0) return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-row]")];
  rows.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top);
  const next = rows[rows.indexOf(document.activeElement as HTMLElement) + step];
  event.preventDefault();
  if (next) next.focus();
  else if (step < 0) document.getElementById("search")?.focus();
}

const Row = memo(function Row({ dialog, top, at, of, open: isOpen }: { dialog: Dialog; top: number; at: number; of: number; open: boolean }) {
  const last = dialog.last;
  const typing = useStore((state) => state.chats.get(dialog.ref)?.typing ?? null);
  return (
    <li className="row-place" style={{ top }} aria-setsize={of} aria-posinset={at + 1}>
      <button
        type="button"
        data-row={dialog.ref}
        className={isOpen ? "row open" : "row"}
        aria-current={isOpen ? "true" : undefined}
        onClick={() => void open(dialog.ref)}
      >
        <Avatar id={dialog.kind === "private" ? Number(dialog.ref.split(":")[0]) : dialog.id} name={dialog.title} />
        <span className="row-text">
          <span className="row-line">
            <span className="row-name">{dialog.title}</span>
            {last && <time className="row-time">{listTime(last.date)}</time>}
          </span>
          <span className="row-line">
            <span className="row-last">
              {typing ? <em className="accent">{typing.action === "typing" ? "typing…" : "sending…"}</em> : last ? <Last dialog={dialog} message={last} /> : "No messages yet"}
            </span>
            {dialog.unread > 0 && (
              <span className="badge" aria-label={`${dialog.unread} unread`}>
                {dialog.unread > 999 ? "999+" : dialog.unread}
              </span>
            )}
          </span>
        </span>
      </button>
    </li>
  );
});

function Last({ dialog, message }: { dialog: Dialog; message: Message }) {
  const mine = message.sender_id === read().me?.id;
  const who = dialog.kind === "channel" ? "" : mine ? "You: " : dialog.kind === "private" ? "" : `${message.sender_name}: `;
  return (
    <>
      {who && <span className="row-who">{who}</span>}
      {preview(message)}
    </>
  );
}

function Stranger({ bot, top, open: isOpen }: { bot: Bot; top: number; open: boolean }) {
  const me = useStore((state) => state.me);
  return (
    <li className="row-place" style={{ top }}>
      <button
        type="button"
        data-row={bot.id}
        className={isOpen ? "row open" : "row"}
        onClick={() => me && void open(`${bot.id}:${me.id}`)}
      >
        <Avatar id={bot.id} name={bot.first_name} />
        <span className="row-text">
          <span className="row-name">{bot.first_name}</span>
          <span className="row-last">@{bot.username}</span>
        </span>
      </button>
    </li>
  );
}

function Results({ query, onDone }: { query: string; onDone: () => void }) {
  const me = useStore((state) => state.me);
  const dialogs = useStore((state) => state.dialogs);
  const bots = useStore((state) => state.bots);
  const [found, setFound] = useState<Message[] | null>(null);
  useEffect(() => {
    let current = true;
    const wait = window.setTimeout(async () => {
      if (!me) return;
      try {
        const { messages } = await api.get<Found>(`/page/people/${me.id}/search?text=${encodeURIComponent(query)}`);
        if (current) setFound(messages);
      } catch {
        if (current) setFound([]);
      }
    }, 120);
    return () => {
      current = false;
      window.clearTimeout(wait);
    };
  }, [query, me]);
  const wanted = query.toLowerCase().replace(/^@/, "");
  const hit = (name: string, username: string | null) => `${name} ${username ?? ""}`.toLowerCase().includes(wanted);
  const chats = [...dialogs.values()].filter((one) => hit(one.title, one.username)).slice(0, 20);
  const strangers = bots.filter((bot) => me && !dialogs.has(`${bot.id}:${me.id}`) && hit(bot.first_name, bot.username));
  const nothing = chats.length + strangers.length === 0 && found?.length === 0;
  return (
    <div className="rows results" aria-live="polite" onKeyDown={moveFocus}>
      {chats.length + strangers.length > 0 && <h3 className="row-title">Chats and bots</h3>}
      {chats.map((dialog) => (
        <Hit key={dialog.ref} id={dialog.id} title={dialog.title} line={dialog.username ? `@${dialog.username}` : dialog.kind} act={() => (onDone(), void open(dialog.ref))} />
      ))}
      {strangers.map((bot) => (
        <Hit key={bot.id} id={bot.id} title={bot.first_name} line={`@${bot.username}`} act={() => (onDone(), void open(`${bot.id}:${me?.id}`))} />
      ))}
      {found && found.length > 0 && <h3 className="row-title">Messages</h3>}
      {found?.map((message) => (
        <Hit
          key={`${message.chat}/${message.id}`}
          id={Number(message.chat.split(":")[0])}
          title={dialogs.get(message.chat)?.title ?? message.chat}
          line={preview(message)}
          mark={query}
          time={listTime(message.date)}
          act={() => void goTo(message.chat, message.id)}
        />
      ))}
      {nothing && <p className="hint">Nothing here contains “{query}”.</p>}
    </div>
  );
}

function Hit({ id, title, line, mark, time, act }: { id: number; title: string; line: string; mark?: string; time?: string; act: () => void }) {
  return (
    <button type="button" data-row className="row" onClick={act}>
      <Avatar id={id} name={title} />
      <span className="row-text">
        <span className="row-line">
          <span className="row-name">{title}</span>
          {time && <time className="row-time">{time}</time>}
        </span>
        <span className="row-last">{mark ? <Highlighted text={line} mark={mark} /> : line}</span>
      </span>
    </button>
  );
}

function Highlighted({ text, mark }: { text: string; mark: string }) {
  const at = text.toLowerCase().indexOf(mark.toLowerCase());
  if (at < 0) return <>{text}</>;
  const from = Math.max(0, at - 18);
  return (
    <>
      {from > 0 && "…"}
      {text.slice(from, at)}
      <mark>{text.slice(at, at + mark.length)}</mark>
      {text.slice(at + mark.length)}
    </>
  );
}

function NoBots() {
  return (
    <div className="rows empty">
      <p>
        <strong>No bot is here yet.</strong>
      </p>
      <p>Point one at this address instead of api.telegram.org; it appears with its first call:</p>
      <pre tabIndex={0}>{window.location.origin}</pre>
      <p>Any token will do that looks like 123456:secret.</p>
      <button type="button" className="plain" onClick={() => void refreshTown()}>
        Look again
      </button>
    </div>
  );
}
