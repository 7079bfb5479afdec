// The page's memory: one immutable state, changed by the stream of changes and by what the person does.
//
//   load(person) ─► dialogs + cursor ─► stream of changes ─► apply
//   open(chat)   ─► newest page of messages ─► older and newer pages as the reader scrolls

import { useSyncExternalStore } from "react";
import { api, ApiError, chatPath, whyOf } from "./api";
import type { Bot, Button, Change, Chat, Dialog, Dialogs, Draft, Keyboard, Message, MessagePage, Opened, Person, Query, WebApp, Wire } from "./types";

export const WINDOW_MAX = 200;
const TYPING_MS = 5_000;
const DRAFT_MS = 30_000;
const PRESS_MS = 20_000;
const TOAST_MS = 4_000;

export interface Pending {
  key: string;
  text: string;
  replyTo: number | null;
  failed: string | null;
  at: number;
}

export interface ChatState {
  messages: Message[];
  moreBefore: boolean;
  moreAfter: boolean;
  loaded: boolean;
  loading: boolean;
  keyboard: Keyboard | null;
  /** Nothing younger than this had been read when the chat was opened. */
  readAtOpening: number;
  pending: Pending[];
  typing: { who: string; action: string; until: number } | null;
  draft: (Draft & { until: number }) | null;
}

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

export type Screen = "list" | "chat" | "inspector";

export interface State {
  phase: "loading" | "choosing" | "ready";
  people: Person[];
  bots: Bot[];
  me: Person | null;
  dialogs: Map<string, Dialog>;
  order: string[];
  chats: Map<string, ChatState>;
  open: string | null;
  screen: Screen;
  connected: boolean;
  inspecting: boolean;
  toasts: Toast[];
  alert: { title: string; text: string } | null;
  /** Pressed buttons that wait for their answer, by query id: `chat/message/text`. */
  pressed: Map<string, string>;
  /** A message to scroll to and to flash once. */
  goal: { chat: string; message: number; nonce: number } | null;
  /** The invoice in the pay sheet: in a message, or behind a link. */
  paying: { message: Message } | { slug: string } | null;
  app: WebApp | null;
  /** A chat is asked for: to type a text there, or to follow the link with it. */
  choosing: { text: string; link: string | null } | null;
  /** A public chat that the person has found and is not in. */
  entering: Chat | null;
  /** What an opening put into the line of a chat. */
  written: { chat: string; text: string } | null;
  replying: Message | null;
  editing: Message | null;
}

const EMPTY_CHAT: ChatState = {
  messages: [],
  moreBefore: false,
  moreAfter: false,
  loaded: false,
  loading: false,
  keyboard: null,
  readAtOpening: 0,
  pending: [],
  typing: null,
  draft: null,
};

let state: State = {
  phase: "loading",
  people: [],
  bots: [],
  me: null,
  dialogs: new Map(),
  order: [],
  chats: new Map(),
  open: null,
  screen: "list",
  connected: true,
  inspecting: window.innerWidth >= 1180,
  toasts: [],
  alert: null,
  pressed: new Map(),
  goal: null,
  paying: null,
  app: null,
  choosing: null,
  entering: null,
  written: null,
  replying: null,
  editing: null,
};

const listeners = new Set<() => void>();

function set(change: Partial<State>): void {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A piece of the state; the component renders again when that piece is another one. */
export function useStore<T>(select: (state: State) => T): T {
  return useSyncExternalStore(subscribe, () => select(state));
}

export const read = () => state;
export const chatOf = (from: State, ref: string | null) => (ref === null ? EMPTY_CHAT : (from.chats.get(ref) ?? EMPTY_CHAT));

function changeChat(ref: string, change: (chat: ChatState) => Partial<ChatState>): void {
  const chats = new Map(state.chats);
  const chat = chats.get(ref) ?? EMPTY_CHAT;
  chats.set(ref, { ...chat, ...change(chat) });
  set({ chats });
}

// -- who is there ---------------------------------------------------------------------------------------------------

let stream: EventSource | null = null;
let retry = 0;

/** Begin: the person of the address, or the one of last time, or a choice. */
export async function start(): Promise<void> {
  try {
    await refreshTown();
  } catch {
    set({ connected: false });
    window.setTimeout(() => void start(), 1_500);
    return;
  }
  const wanted = addressed();
  const id = wanted.person ?? Number(remembered("person"));
  const me = state.people.find((person) => person.id === id);
  if (me) await become(me, wanted.chat);
  else set({ phase: "choosing", connected: true });
}

export async function refreshTown(): Promise<void> {
  const [people, bots] = await Promise.all([api.get<Person[]>("/people"), api.get<Bot[]>("/bots")]);
  set({ people, bots });
}

export async function addPerson(name: string): Promise<void> {
  const [first, ...rest] = name.trim().split(/\s+/);
  const me = await api.post<Person>("/people", { first_name: first, last_name: rest.join(" ") || null });
  set({ people: [...state.people, me] });
  await become(me);
}

/** Be this person from now on. */
export async function become(me: Person, chat: string | null = null): Promise<void> {
  hangUp();
  set({
    me,
    chats: new Map(),
    dialogs: new Map(),
    order: [],
    open: null,
    screen: "list",
    replying: null,
    editing: null,
    paying: null,
    app: null,
    choosing: null,
    entering: null,
    pressed: new Map(),
  });
  remember("person", String(me.id));
  await reload();
  if (chat !== null) await open(chat);
  address();
}

async function reload(): Promise<void> {
  const me = state.me;
  if (!me) return;
  try {
    const [{ dialogs, cursor }] = await Promise.all([
      api.get<Dialogs>(`/page/people/${me.id}/dialogs`),
      refreshTown(),
    ]);
    if (state.me !== me) return;
    set({ dialogs: new Map(dialogs.map((one) => [one.ref, one])), order: ordered(dialogs), phase: "ready" });
    listen(me, cursor);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      set({ me: null, phase: "choosing", connected: true });
      return void refreshTown().catch(() => undefined);
    }
    lost();
  }
}

export function choosePerson(): void {
  hangUp();
  set({ phase: "choosing", me: null });
  void refreshTown().catch(() => undefined);
}

function hangUp(): void {
  window.clearTimeout(retry);
  stream?.close();
  stream = null;
}

function listen(me: Person, cursor: number): void {
  hangUp();
  const source = api.stream(`/page/people/${me.id}/stream?after=${cursor}`);
  stream = source;
  let waiting: Change[] = [];
  source.onopen = () => set({ connected: true });
  source.onmessage = (event) => {
    if (waiting.length === 0) {
      window.setTimeout(() => {
        const changes = waiting;
        waiting = [];
        if (stream === source) apply(changes);
      }, 16);
    }
    waiting.push(JSON.parse(event.data as string) as Change);
  };
  source.addEventListener("reset", () => {
    hangUp();
    set({ me: null, phase: "choosing", people: [], bots: [], open: null, chats: new Map(), dialogs: new Map(), order: [] });
    void refreshTown();
  });
  source.onerror = () => stream === source && lost();
}

/** The simulator is gone; look again until it is back, and then read everything anew. */
function lost(): void {
  hangUp();
  set({ connected: false });
  retry = window.setTimeout(async () => {
    await reload();
    const open = state.open;
    if (state.connected && open !== null) await loadNewest(open);
  }, 1_500);
}

// -- changes --------------------------------------------------------------------------------------------------------

function apply(changes: Change[]): void {
  const dialogs = new Map(state.dialogs);
  const chats = new Map(state.chats);
  let unknown = false;
  for (const change of changes) {
    const ref = change.chat;
    if (ref === null) continue;
    if (change.dialog) dialogs.set(ref, change.dialog);
    const dialog = dialogs.get(ref);
    if (!dialog) unknown = true;
    else if (change.message) dialogs.set(ref, withMessage(dialog, change.message, change.kind));
    const chat = chats.get(ref);
    if (chat) chats.set(ref, withChange(chat, change));
    applyAnswer(change);
  }
  set({ dialogs, chats, order: ordered([...dialogs.values()]) });
  if (unknown) void refreshDialogs();
  for (const change of changes) if (change.message?.deleted) void mendLast(change.message);
  readOpenChat();
}

function withMessage(dialog: Dialog, message: Message, kind: string): Dialog {
  const newest = dialog.last?.id ?? 0;
  if (message.deleted) return dialog;
  if (message.id < newest) return dialog;
  const fresh = message.id > newest && !kind.endsWith(".read");
  const unread = fresh && message.sender_id !== state.me?.id ? dialog.unread + 1 : dialog.unread;
  return { ...dialog, last: message, unread: message.sender_id === state.me?.id ? 0 : unread };
}

function withChange(chat: ChatState, change: Change): ChatState {
  const message = change.message;
  let next = chat;
  if (change.kind === "bot.acted") {
    const who = state.bots.find((bot) => bot.id === change.bot_id)?.first_name ?? "The bot";
    return { ...chat, typing: { who, action: change.text ?? "typing", until: Date.now() + TYPING_MS } };
  }
  if (change.kind === "bot.drafted" || change.kind === "draft.stopped") {
    const draft = change.draft && { ...change.draft, until: Date.now() + DRAFT_MS };
    return { ...chat, draft, typing: null };
  }
  if (!message) return next;
  if (chat.loaded) next = { ...next, messages: merged(next, message) };
  if (message.sender_id === state.me?.id) next = { ...next, pending: withoutSent(next.pending, message) };
  else if (change.kind === "bot.said") next = { ...next, typing: null, draft: null };
  return { ...next, keyboard: change.keyboard };
}

/** The loaded messages with this one as it is now: put in its place, appended, or taken out. */
function merged(chat: ChatState, message: Message): Message[] {
  const at = chat.messages.findIndex((one) => one.id === message.id);
  if (message.deleted) return at < 0 ? chat.messages : chat.messages.filter((one) => one.id !== message.id);
  if (at >= 0) {
    const known = chat.messages[at];
    if (known && known.cursor > message.cursor) return chat.messages;
    return chat.messages.map((one) => (one.id === message.id ? message : one));
  }
  const newest = chat.messages.at(-1)?.id ?? 0;
  if (chat.moreAfter) return chat.messages;
  if (message.id > newest) return [...chat.messages, message];
  if (message.id < (chat.messages[0]?.id ?? 0)) return chat.messages;
  return [...chat.messages, message].sort((a, b) => a.id - b.id);
}

function withoutSent(pending: Pending[], message: Message): Pending[] {
  const at = pending.findIndex((one) => one.failed === null && one.text.trim() === message.text);
  return at < 0 ? pending : pending.filter((_, index) => index !== at);
}

function applyAnswer(change: Change): void {
  const query = change.details["query_id"];
  if (change.kind === "person.pressed" && typeof query === "string" && change.person_id === state.me?.id) {
    expect(query, `${change.chat}/${change.message_id}/${change.text}`);
  }
  if (change.kind !== "bot.answered" || change.person_id !== state.me?.id) return;
  if (typeof query === "string") unexpect(query);
  const answer = (change.details["answer"] ?? {}) as Wire;
  if (change.details["query"] === "callback_query") showAnswer(answer, change.bot_id);
  if (change.details["query"] === "pre_checkout_query" && answer["ok"] === false) {
    set({ alert: { title: "Payment declined", text: String(answer["error_message"] ?? "") } });
  }
}

function showAnswer(answer: Wire, botId: number | null): void {
  const text = String(answer["text"] ?? "");
  const title = state.bots.find((bot) => bot.id === botId)?.first_name ?? "Bot";
  if (text && answer["show_alert"]) set({ alert: { title, text } });
  else if (text) toast(text);
  if (answer["url"]) void openLink(String(answer["url"]));
}

const answered = new Set<string>();

function expect(query: string, where: string): void {
  if (answered.has(query)) return;
  set({ pressed: new Map(state.pressed).set(query, where) });
  window.setTimeout(() => unexpect(query), PRESS_MS);
}

function unexpect(query: string): void {
  answered.add(query);
  if (!state.pressed.has(query)) return;
  const pressed = new Map(state.pressed);
  pressed.delete(query);
  set({ pressed });
}

function ordered(dialogs: Dialog[]): string[] {
  return dialogs
    .map((one) => ({ ref: one.ref, date: one.last?.date ?? 0, cursor: one.last?.cursor ?? 0 }))
    .sort((a, b) => b.date - a.date || b.cursor - a.cursor)
    .map((one) => one.ref);
}

async function refreshDialogs(): Promise<void> {
  const me = state.me;
  if (!me) return;
  try {
    const { dialogs } = await api.get<Dialogs>(`/page/people/${me.id}/dialogs`);
    if (state.me !== me) return;
    set({ dialogs: new Map(dialogs.map((one) => [one.ref, one])), order: ordered(dialogs) });
    await refreshTown();
  } catch {
    // the stream notices that the simulator is gone
  }
}

/** The last message of a dialog was deleted: the one before it takes its place. */
async function mendLast(gone: Message): Promise<void> {
  const dialog = state.dialogs.get(gone.chat);
  if (dialog?.last?.id === gone.id) await refreshDialogs();
}

// -- a chat ---------------------------------------------------------------------------------------------------------

export async function open(ref: string, screen: Screen = "chat"): Promise<void> {
  set({ open: ref, screen, replying: null, editing: null });
  address();
  const chat = state.chats.get(ref);
  if (chat?.loaded && !chat.moreAfter) {
    changeChat(ref, () => ({ readAtOpening: Number.MAX_SAFE_INTEGER }));
    readOpenChat();
  } else await loadNewest(ref);
}

export function close(): void {
  set({ open: null, screen: "list", replying: null, editing: null });
  address();
}

export const show = (screen: Screen) => set({ screen });
export const inspect = (inspecting: boolean) => set({ inspecting, screen: inspecting ? "inspector" : "chat" });

export async function loadNewest(ref: string): Promise<void> {
  await fetchPage(ref, "", (chat, page) => ({
    messages: page.messages,
    moreBefore: page.more_before,
    moreAfter: false,
    keyboard: page.keyboard,
    readAtOpening: chat.loaded ? chat.readAtOpening : page.read,
  }));
  readOpenChat();
}

export async function loadOlder(ref: string): Promise<void> {
  const chat = chatOf(state, ref);
  const oldest = chat.messages[0];
  if (!chat.moreBefore || !oldest) return;
  await fetchPage(ref, `&before=${oldest.id}`, (now, page) => {
    const all = [...page.messages, ...now.messages];
    const kept = all.slice(0, WINDOW_MAX);
    return { messages: kept, moreBefore: page.more_before, moreAfter: now.moreAfter || kept.length < all.length };
  });
}

export async function loadNewer(ref: string): Promise<void> {
  const chat = chatOf(state, ref);
  const newest = chat.messages.at(-1);
  if (!chat.moreAfter || !newest) return;
  await fetchPage(ref, `&after=${newest.id}`, (now, page) => {
    const all = [...now.messages, ...page.messages];
    const kept = all.slice(-WINDOW_MAX);
    return { messages: kept, moreAfter: page.more_after, moreBefore: now.moreBefore || kept.length < all.length };
  });
}

async function fetchPage(
  ref: string,
  where: string,
  change: (chat: ChatState, page: MessagePage) => Partial<ChatState>,
): Promise<void> {
  const me = state.me;
  if (!me || chatOf(state, ref).loading) return;
  changeChat(ref, () => ({ loading: true }));
  try {
    const page = await api.get<MessagePage>(`/page/people/${me.id}/messages?chat=${encodeURIComponent(ref)}${where}`);
    if (state.me !== me) return;
    changeChat(ref, (chat) => ({ ...change(chat, page), loading: false, loaded: true }));
  } catch (error) {
    changeChat(ref, () => ({ loading: false }));
    toast(whyOf(error), true);
  }
}

/** Show a message wherever it is: load its neighbours if they are not there, then scroll to it. */
export async function goTo(ref: string, message: number): Promise<void> {
  const me = state.me;
  if (!me) return;
  if (state.open !== ref) await open(ref);
  set({ screen: "chat" });
  if (!chatOf(state, ref).messages.some((one) => one.id === message)) {
    const path = `/page/people/${me.id}/messages?chat=${encodeURIComponent(ref)}&limit=30`;
    try {
      const [older, newer] = await Promise.all([
        api.get<MessagePage>(`${path}&before=${message + 1}`),
        api.get<MessagePage>(`${path}&after=${message}`),
      ]);
      changeChat(ref, () => ({
        messages: [...older.messages, ...newer.messages],
        moreBefore: older.more_before,
        moreAfter: newer.more_after,
        loaded: true,
      }));
    } catch (error) {
      return toast(whyOf(error), true);
    }
  }
  if (!chatOf(state, ref).messages.some((one) => one.id === message)) return toast("This message was deleted.");
  set({ goal: { chat: ref, message, nonce: Date.now() } });
}

let looking = true;

/** Whether the reader sees the end of the open chat. */
export function looksAtTheEnd(looks: boolean): void {
  looking = looks;
  if (looks) readOpenChat();
}

export function readOpenChat(): void {
  const { me, open } = state;
  if (!me || open === null || !looking || document.hidden) return;
  const dialog = state.dialogs.get(open);
  const chat = state.chats.get(open);
  const newest = chat?.messages.at(-1);
  if (!dialog || !chat?.loaded || chat.moreAfter || !newest || dialog.unread === 0) return;
  set({ dialogs: new Map(state.dialogs).set(open, { ...dialog, unread: 0 }) });
  void api.put(`/page/people/${me.id}/read`, { chat: open, message: newest.id }).catch(() => undefined);
}

// -- what the person does -------------------------------------------------------------------------------------------

let keys = 0;

/** Write; the text is in the chat at once, and marked if it could not be sent. */
export async function say(ref: string, text: string, replyTo: number | null = null): Promise<void> {
  if (chatOf(state, ref).moreAfter) await loadNewest(ref);
  const pending: Pending = { key: `p${++keys}`, text, replyTo, failed: null, at: Date.now() / 1000 };
  changeChat(ref, (chat) => ({ pending: [...chat.pending, pending] }));
  await send(ref, pending);
}

export async function send(ref: string, pending: Pending): Promise<void> {
  const me = state.me;
  if (!me) return;
  changeChat(ref, (chat) => ({
    pending: chat.pending.map((one) => (one.key === pending.key ? { ...one, failed: null } : one)),
  }));
  try {
    const message = await api.post<Message>(`${chatPath(ref)}/messages`, {
      person: me.id,
      text: pending.text,
      reply_to: pending.replyTo,
    });
    changeChat(ref, (chat) => ({
      pending: chat.pending.filter((one) => one.key !== pending.key),
      messages: chat.loaded ? merged(chat, message) : chat.messages,
    }));
    if (!state.dialogs.has(ref)) await refreshDialogs();
  } catch (error) {
    changeChat(ref, (chat) => ({
      pending: chat.pending.map((one) => (one.key === pending.key ? { ...one, failed: whyOf(error) } : one)),
    }));
  }
}

export function dropPending(ref: string, key: string): void {
  changeChat(ref, (chat) => ({ pending: chat.pending.filter((one) => one.key !== key) }));
}

/** Do something that may be refused; the refusal is shown. */
export async function attempt<T>(act: () => Promise<T>): Promise<T | null> {
  try {
    return await act();
  } catch (error) {
    toast(whyOf(error), true);
    return null;
  }
}

export async function editMessage(message: Message, text: string): Promise<void> {
  const me = state.me;
  if (me) await attempt(() => api.patch(`${chatPath(message.chat)}/messages/${message.id}`, { person: me.id, text }));
}

export async function deleteMessage(message: Message): Promise<void> {
  const me = state.me;
  if (!me) return;
  await attempt(() => api.delete(`${chatPath(message.chat)}/messages/${message.id}?person=${me.id}`));
}

export async function press(message: Message, text: string, data: string | null): Promise<void> {
  const me = state.me;
  if (!me) return;
  const query = await attempt(() =>
    api.post<Query>(`${chatPath(message.chat)}/presses`, {
      person: me.id,
      message: message.id,
      text,
      callback_data: data,
    }),
  );
  if (query && query.answer === null) expect(query.id, `${message.chat}/${message.id}/${text}`);
}

/** Press a key of the bot's keyboard: it says its text, or shares what it asks for. */
export async function pressKey(ref: string, text: string): Promise<void> {
  const me = state.me;
  if (me) await attempt(() => api.post(`${chatPath(ref)}/keys`, { person: me.id, text }));
}

export async function stopDraft(ref: string, draft: number): Promise<void> {
  const me = state.me;
  if (me) await attempt(() => api.post(`${chatPath(ref)}/stops`, { person: me.id, draft }));
}

export async function react(message: Message, emoji: string[]): Promise<void> {
  const me = state.me;
  if (me) await attempt(() => api.put(`${chatPath(message.chat)}/messages/${message.id}/reactions`, { person: me.id, emoji }));
}

export async function block(ref: string, blocked: boolean): Promise<void> {
  await attempt(() => api.put(`${chatPath(ref)}/blocked`, { blocked }));
}

export const reply = (replying: Message | null) => set({ replying, editing: null });
export const edit = (editing: Message | null) => set({ editing, replying: null });
export const closeAlert = () => set({ alert: null });

let toasts = 0;

export function toast(text: string, bad = false): void {
  const id = ++toasts;
  set({ toasts: [...state.toasts.slice(-2), { id, text, bad }] });
  window.setTimeout(() => set({ toasts: state.toasts.filter((one) => one.id !== id) }), TOAST_MS);
}

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser did not allow copying.", true);
  }
}

// -- what links and buttons open ------------------------------------------------------------------------------------

/** Follow a link that is seen in the open chat; `group` is where one that asks for a group leads. */
export async function openLink(url: string, group: string | null = null): Promise<void> {
  const me = state.me;
  if (!me) return;
  const chat = state.open !== null && state.dialogs.has(state.open) ? state.open : null;
  const opened = await attempt(() => api.post<Opened>("/links", { person: me.id, url, chat, group }));
  if (opened) await arrive(opened, url);
}

export const openName = (name: string) => openLink(`https://t.me/${name}`);

/** Press a button under a message that opens something. */
export async function openButton(message: Message, button: Button): Promise<void> {
  const me = state.me;
  if (!me) return;
  const opened = await attempt(() =>
    api.post<Opened>(`${chatPath(message.chat)}/openings`, { person: me.id, message: message.id, text: button.text }),
  );
  if (opened) await arrive(opened, button.url);
}

/** Open the Mini App behind a key of the bot's keyboard. */
export async function openKeyApp(ref: string, text: string): Promise<void> {
  const me = state.me;
  const bot = Number(ref.split(":")[0]);
  const app = me && (await attempt(() => api.post<WebApp>("/web_apps", { person: me.id, bot, text })));
  if (app) set({ app });
}

/** Send what a Mini App would; the app is closed by it. */
export async function sendAppData(app: WebApp, data: string): Promise<void> {
  if (await attempt(() => api.post<Message>(`/web_apps/${encodeURIComponent(app.id)}/data`, { data }))) closeApp();
}

/** Put what was opened before the person; `link` is the address that led there. */
async function arrive(opened: Opened, link: string | null): Promise<void> {
  switch (opened.kind) {
    case "chat":
      return arriveInChat(opened);
    case "choose_chat":
      return set({ choosing: { text: opened.text, link: opened.text ? null : link } });
    case "join_request":
      return toast("You asked to join. You are in when an administrator agrees.");
    case "invoice":
      if (opened.message) pay(opened.message);
      else if (opened.invoice) set({ paying: { slug: opened.invoice.slug } });
      return;
    case "web_app":
      return set({ app: opened.web_app });
    case "copied":
      return copy(opened.text);
    case "url":
      return leave(opened.url);
    default:
      toast(`The page does not show a ${opened.kind}.`);
  }
}

async function arriveInChat({ chat, message, text, bot }: Opened): Promise<void> {
  if (chat === null) return;
  const isPrivate = chat.includes(":");
  if (!state.dialogs.has(chat) && (!isPrivate || message)) await refreshDialogs();
  if (!state.dialogs.has(chat) && !isPrivate) {
    const entering = await attempt(() => api.get<Chat>(chatPath(chat)));
    return set({ entering });
  }
  if (text) return write(chat, text);
  // A bot's chat has the /start that was just sent at its end; elsewhere the link points at the message.
  if (message && bot === null) await goTo(chat, message.id);
  else await open(chat);
}

/** Go to an address outside of Telegram. */
function leave(url: string): void {
  const href = /^[a-z][a-z0-9+.-]*:/i.test(url) ? url : `https://${url}`;
  if (/^(https?|mailto|tel):/i.test(href)) window.open(href, "_blank", "noopener,noreferrer");
  else toast(`The page does not open ${href}`);
}

/** Become a member of a public chat. */
export async function enter(chat: Chat): Promise<void> {
  const me = state.me;
  set({ entering: null });
  if (!me || !(await attempt(() => api.post("/joins", { person: me.id, link: `@${chat.username}` })))) return;
  await refreshDialogs();
  await open(chat.ref);
}

/** The chat that a link or an inline query asked for. */
export async function choose(ref: string): Promise<void> {
  const choosing = state.choosing;
  set({ choosing: null });
  if (choosing?.link) await openLink(choosing.link, ref);
  else if (choosing) await write(ref, choosing.text);
}

/** Put a text into the line of a chat. */
async function write(ref: string, text: string): Promise<void> {
  set({ written: { chat: ref, text } });
  await open(ref);
  toast("The page writes the query, and does not show its results.");
}

export const pay = (message: Message) => set({ paying: { message } });
export const closePay = () => set({ paying: null });
export const closeApp = () => set({ app: null });
export const stopChoosing = () => set({ choosing: null });
export const stayOut = () => set({ entering: null });
export const takeWritten = () => set({ written: null });

export const startBot = (ref: string) => say(ref, "/start");

// -- the address and what the browser remembers ---------------------------------------------------------------------

function addressed(): { person: number | null; chat: string | null } {
  const [person, chat] = window.location.hash.replace(/^#\/?/, "").split("/");
  return { person: person ? Number(person) : null, chat: chat ? decodeURIComponent(chat) : null };
}

function address(): void {
  const { me, open } = state;
  const hash = me ? `#/${me.id}${open === null ? "" : `/${encodeURIComponent(open)}`}` : "";
  if (window.location.hash !== hash) window.history.replaceState(null, "", hash || window.location.pathname);
}

export function remembered(name: string): string | null {
  try {
    return window.localStorage.getItem(`posthouse.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    window.localStorage.setItem(`posthouse.${name}`, value);
  } catch {
    // a private window: nothing is kept
  }
}

document.addEventListener("visibilitychange", () => readOpenChat());
window.setInterval(() => {
  for (const [ref, chat] of state.chats) {
    if (chat.typing && chat.typing.until < Date.now()) changeChat(ref, () => ({ typing: null }));
    if (chat.draft && chat.draft.until < Date.now()) changeChat(ref, () => ({ draft: null }));
  }
}, 1_000);
