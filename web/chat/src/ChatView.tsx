// The middle column: head, messages, keyboards and the line to write in.
//
// At most WINDOW_MAX messages are in the document; older and newer pages come in as the reader nears an end, and what
// is far away goes. The reader's place is held by the first visible message: after every change of the list it is put
// back where it was, unless the reader was at the end and so stays at the end.

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Avatar } from "./Avatar";
import { Bubble, PendingBubble } from "./Bubble";
import { Composer } from "./Composer";
import { dayOf, dayTitle } from "./format";
import { Icon } from "./icons";
import { Menu, under, type Choice } from "./Menu";
import { isService } from "./preview";
import { RichText } from "./RichText";
import { Actions } from "./MessageActions";
import {
  block,
  chatOf,
  close,
  inspect,
  loadNewer,
  loadNewest,
  loadOlder,
  looksAtTheEnd,
  openName,
  read,
  reply,
  say,
  stopDraft,
  edit,
  useStore,
  type ChatState,
} from "./store";
import type { Dialog, Message } from "./types";

const NEAR_PX = 700;
const AT_END_PX = 40;
const GROUP_S = 300;
/** From here on the inspector is beside the chat (style.css); on less it takes its place and has a way back. */
const BESIDE_PX = 1100;

export interface Target {
  message: Message;
  at: { x: number; y: number };
}

export function ChatView({ chatRef }: { chatRef: string }) {
  const dialog = useStore((state) => state.dialogs.get(chatRef) ?? null);
  const chat = useStore((state) => chatOf(state, chatRef));
  const bots = useStore((state) => state.bots);
  const [target, setTarget] = useState<Target | null>(null);
  const botId = chatRef.includes(":") ? Number(chatRef.split(":")[0]) : null;
  const bot = bots.find((one) => one.id === botId) ?? null;
  const title = dialog?.title ?? bot?.first_name ?? chatRef;
  return (
    <main className="chat" aria-label={`Chat with ${title}`}>
      <Head chatRef={chatRef} dialog={dialog} chat={chat} title={title} username={dialog?.username ?? bot?.username ?? null} />
      <Messages key={chatRef} chatRef={chatRef} chat={chat} dialog={dialog} title={title} onTarget={setTarget} />
      <Composer key={`write ${chatRef}`} chatRef={chatRef} chat={chat} dialog={dialog} isBotChat={botId !== null} />
      {target && <Actions target={target} onClose={() => setTarget(null)} />}
    </main>
  );
}

function Head({ chatRef, dialog, chat, title, username }: { chatRef: string; dialog: Dialog | null; chat: ChatState; title: string; username: string | null }) {
  const inspecting = useStore((state) => state.inspecting);
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);
  const isPrivate = chatRef.includes(":");
  const people = dialog ? dialog.members.length : 0;
  const status = chat.typing
    ? `${isPrivate ? "" : `${chat.typing.who} `}${chat.typing.action === "typing" ? "is typing…" : `is ${action(chat.typing.action)}…`}`
    : isPrivate
      ? "bot"
      : `${people} member${people === 1 ? "" : "s"}`;
  const choices: Choice[] = [
    ...(isPrivate && dialog
      ? [
          {
            label: dialog.blocked ? "Unblock the bot" : "Block the bot",
            icon: "close" as const,
            bad: !dialog.blocked,
            act: () => void block(chatRef, !dialog.blocked),
          },
        ]
      : []),
    ...(isPrivate ? [{ label: "Send /start", icon: "send" as const, act: () => void say(chatRef, "/start") }] : []),
    ...(username ? [{ label: `@${username}`, icon: "link" as const, act: () => void openName(username) }] : []),
    { label: inspecting ? "Close the inspector" : "Open the inspector", icon: "code", act: () => inspect(!inspecting) },
  ];
  return (
    <header className="chat-head">
      <button type="button" className="round only-narrow" aria-label="Back to the chats" onClick={close}>
        <Icon name="back" />
      </button>
      <Avatar id={isPrivate ? Number(chatRef.split(":")[0]) : Number(chatRef)} name={title} small />
      <div className="chat-title">
        <h1>{title}</h1>
        <p className={chat.typing ? "accent" : undefined} role="status">
          {status}
        </p>
      </div>
      <button
        type="button"
        className={inspecting ? "round on" : "round"}
        aria-label="Inspector: Bot API calls of this chat"
        aria-pressed={inspecting}
        title="Inspector"
        onClick={() => inspect(!inspecting || window.innerWidth < BESIDE_PX)}
      >
        <Icon name="code" />
      </button>
      <button type="button" className="round" aria-label="More" aria-haspopup="menu" onClick={(event) => setMenu(under(event.currentTarget))}>
        <Icon name="more" />
      </button>
      {menu && <Menu at={menu} label="Chat" choices={choices} onClose={() => setMenu(null)} />}
    </header>
  );
}

const action = (name: string) => name.replace(/^upload_/, "sending a ").replace(/^record_/, "recording a ").replace(/^choose_/, "choosing a ").replace(/^find_/, "finding a ").replaceAll("_", " ");

interface Item {
  key: string;
  day: string | null;
  unread: boolean;
  first: boolean;
  last: boolean;
  messages: Message[];
}

/** Messages with their neighbours' influence: days, groups of one sender, albums, where the unread ones begin. */
function itemsOf(messages: Message[], readUpTo: number, me: number): Item[] {
  const items: Item[] = [];
  let before: Message | null = null;
  for (const message of messages) {
    const newest = items.at(-1);
    if (message.album_id && newest?.messages[0]!.album_id === message.album_id) {
      newest.messages.push(message);
      before = message;
      continue;
    }
    const newDay = !before || dayOf(before.date) !== dayOf(message.date);
    const joined = before !== null && !newDay && joins(before, message);
    const unread = message.id > readUpTo && (before?.id ?? 0) <= readUpTo && message.sender_id !== me && before !== null;
    if (joined && !unread && newest) newest.last = false;
    items.push({
      key: String(message.id),
      day: newDay ? dayTitle(message.date) : null,
      unread,
      first: !joined || unread,
      last: true,
      messages: [message],
    });
    before = message;
  }
  return items;
}

function joins(before: Message, message: Message): boolean {
  const plain = !isService(before) && !isService(message);
  return plain && before.sender_id === message.sender_id && before.sender_chat === message.sender_chat && message.date - before.date < GROUP_S;
}

function Messages({ chatRef, chat, dialog, title, onTarget }: { chatRef: string; chat: ChatState; dialog: Dialog | null; title: string; onTarget: (target: Target) => void }) {
  const me = useStore((state) => state.me?.id ?? 0);
  const goal = useStore((state) => (state.goal?.chat === chatRef ? state.goal : null));
  const box = useRef<HTMLDivElement>(null);
  const inner = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const anchor = useRef<{ id: string; top: number } | null>(null);
  const [away, setAway] = useState(false);
  const items = useMemo(() => itemsOf(chat.messages, chat.readAtOpening, me), [chat.messages, chat.readAtOpening, me]);
  const byId = useMemo(() => new Map(chat.messages.map((one) => [one.id, one])), [chat.messages]);

  const look = useCallback(() => {
    const view = box.current;
    if (!view) return;
    const gap = view.scrollHeight - view.scrollTop - view.clientHeight;
    const now = chatOf(read(), chatRef);
    atEnd.current = gap < AT_END_PX && !now.moreAfter;
    setAway(gap > 300 || now.moreAfter);
    looksAtTheEnd(atEnd.current);
    anchor.current = firstVisible(view, inner.current);
    if (view.scrollTop < NEAR_PX && now.moreBefore && !now.loading) void loadOlder(chatRef);
    else if (gap < NEAR_PX && now.moreAfter && !now.loading) void loadNewer(chatRef);
  }, [chatRef]);

  const hold = useCallback(() => {
    const view = box.current;
    if (!view) return;
    if (atEnd.current) view.scrollTop = view.scrollHeight;
    else if (anchor.current) {
      const element = inner.current?.querySelector<HTMLElement>(`[data-id="${anchor.current.id}"]`);
      if (element) view.scrollTop += element.offsetTop - view.scrollTop - anchor.current.top;
    }
  }, []);

  useLayoutEffect(() => {
    hold();
    look();
  }, [items, chat.pending.length, chat.draft, chat.typing, hold, look]);

  // Pictures and opened spoilers change heights without a render here.
  useEffect(() => {
    const observer = new ResizeObserver(hold);
    if (inner.current) observer.observe(inner.current);
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, [hold]);

  // Writing brings the writer to the end.
  const written = chat.pending.at(-1)?.key;
  useLayoutEffect(() => {
    if (written === undefined) return;
    atEnd.current = true;
    hold();
  }, [written, hold]);

  useLayoutEffect(() => {
    if (!goal) return;
    const element = inner.current?.querySelector<HTMLElement>(`[data-message="${goal.message}"]`);
    if (!element) return;
    atEnd.current = false;
    element.scrollIntoView({ block: "center" });
    element.classList.remove("flash");
    void element.offsetWidth; // lets the animation begin anew
    element.classList.add("flash");
    look();
  }, [goal, look]);

  const toEnd = async () => {
    if (chat.moreAfter) await loadNewest(chatRef);
    atEnd.current = true;
    hold();
    look();
  };

  const empty = chat.loaded && chat.messages.length === 0 && chat.pending.length === 0;
  return (
    <div className="messages-place">
      <div className="messages" ref={box} onScroll={look} tabIndex={-1}>
        <div className="messages-inner" ref={inner} role="log" aria-label="Messages" aria-live="polite" aria-relevant="additions" onKeyDown={moveFocus}>
          {chat.moreBefore && <p className="hint loading-older">…</p>}
          {empty && <Empty title={title} isPrivate={chatRef.includes(":")} />}
          {items.map((item) => (
            <Bubble
              key={item.key}
              messages={item.messages}
              first={item.first}
              last={item.last}
              day={item.day}
              unread={item.unread}
              mine={item.messages[0]!.sender_id === me && dialog?.kind !== "channel"}
              named={dialog !== null && dialog.kind !== "private"}
              replied={item.messages[0]!.reply_to === null ? null : (byId.get(item.messages[0]!.reply_to) ?? "gone")}
              onTarget={onTarget}
            />
          ))}
          {chat.pending.map((pending) => (
            <PendingBubble key={pending.key} chatRef={chatRef} pending={pending} />
          ))}
          {chat.draft && (
            <div className="line theirs">
              <div className="bubble draft" aria-label="The bot is writing">
                <RichText text={chat.draft.text} entities={chat.draft.entities} chat={chatRef} />
                {!chat.draft.is_stopped && <span className="writing" aria-hidden="true" />}
                {chat.draft.can_stop && !chat.draft.is_stopped && (
                  <button type="button" className="plain" onClick={() => chat.draft && void stopDraft(chatRef, chat.draft.id)}>
                    Stop
                  </button>
                )}
              </div>
            </div>
          )}
        </div>
      </div>
      {away && (
        <button type="button" className="to-end" onClick={() => void toEnd()} aria-label={dialog?.unread ? `${dialog.unread} new messages: go to the end` : "Go to the end"}>
          {dialog !== null && dialog.unread > 0 && <span className="badge">{dialog.unread}</span>}
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

function firstVisible(view: HTMLElement, inner: HTMLElement | null): { id: string; top: number } | null {
  const children = inner?.children;
  if (!children) return null;
  let low = 0;
  let high = children.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const child = children[middle] as HTMLElement;
    if (child.offsetTop + child.offsetHeight <= view.scrollTop) low = middle + 1;
    else high = middle;
  }
  for (let at = low; at < children.length; at++) {
    const child = children[at] as HTMLElement;
    if (child.dataset["id"]) return { id: child.dataset["id"], top: child.offsetTop - view.scrollTop };
  }
  return null;
}

/** Arrows walk through the messages; letters act on the one that has the focus. */
function moveFocus(event: React.KeyboardEvent<HTMLElement>): void {
  const here = document.activeElement as HTMLElement | null;
  if (!here?.dataset["message"] || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-message]")];
  const at = all.indexOf(here);
  const { me, open } = read();
  const message = chatOf(read(), open).messages.find((one) => String(one.id) === here.dataset["message"]);
  switch (event.key) {
    case "ArrowUp":
      all[at - 1]?.focus();
      break;
    case "ArrowDown":
      (all[at + 1] ?? document.getElementById("write"))?.focus();
      break;
    case "Home":
      all[0]?.focus();
      break;
    case "r":
      if (message) reply(message);
      document.getElementById("write")?.focus();
      break;
    case "e":
      if (message?.sender_id === me?.id && message) edit(message);
      document.getElementById("write")?.focus();
      break;
    case "Escape":
      document.getElementById("write")?.focus();
      break;
    default:
      return;
  }
  event.preventDefault();
}

function Empty({ title, isPrivate }: { title: string; isPrivate: boolean }) {
  return (
    <div className="nothing">
      <p>
        <strong>Nothing has been said here yet.</strong>
      </p>
      {isPrivate ? <p>Press Start: {title} gets its /start, as from a person who has just found it.</p> : <p>Write something; bots hear it as their privacy mode allows.</p>}
    </div>
  );
}
