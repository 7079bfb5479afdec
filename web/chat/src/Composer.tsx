// The line to write in, with what stands above it: an answer's quote, an edit, the bot's keyboard, its commands.

import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { api, chatPath } from "./api";
import { Icon } from "./icons";
import { ReplyKeyboard } from "./Keyboards";
import { preview } from "./preview";
import { attempt, block, edit, editMessage, read, reply, say, startBot, takeWritten, toast, useStore, type ChatState } from "./store";
import type { BotCommand, Commands, Dialog } from "./types";

const TEXT_MAX = 4096;
const drafts = new Map<string, string>();

export function Composer({ chatRef, chat, dialog, isBotChat }: { chatRef: string; chat: ChatState; dialog: Dialog | null; isBotChat: boolean }) {
  if (dialog?.blocked) return <Only label="Unblock the bot" act={() => void block(chatRef, false)} />;
  if (dialog?.migrated_to) return <p className="composer-note">This group became the supergroup {dialog.migrated_to}.</p>;
  const isFresh = chat.loaded && chat.messages.length === 0 && chat.pending.length === 0;
  if (isBotChat && isFresh) return <Only label="Start" act={() => void startBot(chatRef)} />;
  return <Writing chatRef={chatRef} chat={chat} />;
}

function Only({ label, act }: { label: string; act: () => void }) {
  return (
    <div className="composer only">
      <button type="button" className="primary wide" onClick={act}>
        {label}
      </button>
    </div>
  );
}

/** What the person decided about a keyboard: it holds until the bot or a press changes that keyboard. */
interface Folding {
  message: number;
  hidden: boolean;
  open: boolean;
}

function Writing({ chatRef, chat }: { chatRef: string; chat: ChatState }) {
  const replying = useStore((state) => state.replying);
  const editing = useStore((state) => state.editing);
  const [text, setText] = useState(drafts.get(chatRef) ?? "");
  const [folded, setFolded] = useState<Folding | null>(null);
  const [picked, setPicked] = useState(0);
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const commands = useCommands(chatRef, chat.messages.at(-1)?.id ?? 0);
  const keyboard = chat.keyboard;
  const chosen = folded?.message === keyboard?.message && folded?.hidden === keyboard?.hidden ? folded : null;
  const open = keyboard !== null && (chosen ? chosen.open : !keyboard.hidden);
  const offered = suggested(commands, text);

  useEffect(() => {
    if (!window.matchMedia("(pointer: coarse)").matches) field.current?.focus();
  }, []);
  // Before the next key arrives, so that it changes this text and not the one before.
  useLayoutEffect(() => {
    if (editing) setText(editing.text);
    else setText(drafts.get(chatRef) ?? "");
    field.current?.focus();
  }, [editing, chatRef]);
  const written = useStore((state) => (state.written?.chat === chatRef ? state.written.text : null));
  useLayoutEffect(() => {
    if (written === null) return;
    drafts.set(chatRef, written);
    setText(written);
    takeWritten();
    field.current?.focus();
  }, [written, chatRef]);
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 180)}px`;
  }, [text]);

  // A bot that forces a reply opens the reply to its message.
  const last = chat.messages.at(-1);
  const forced = last?.force_reply && last.from_bot ? last : null;
  useEffect(() => {
    if (forced) reply(forced);
  }, [forced]);

  const write = (value: string) => {
    setText(value);
    setPicked(0);
    if (!editing) drafts.set(chatRef, value);
  };
  const send = () => {
    const trimmed = text.trim();
    if (!trimmed) return;
    if (trimmed.length > TEXT_MAX) return toast(`A message has at most ${TEXT_MAX} characters; this one has ${trimmed.length}.`, true);
    if (editing) {
      void editMessage(editing, trimmed);
      edit(null);
    } else {
      void say(chatRef, trimmed, replying?.id ?? null);
      drafts.delete(chatRef);
      reply(null);
    }
    setText("");
  };
  const choose = (command: BotCommand) => {
    drafts.delete(chatRef);
    setText("");
    void say(chatRef, `/${command.command}`);
  };
  const attach = async (files: FileList | null) => {
    for (const file of files ?? []) await attempt(() => upload(chatRef, file, text.trim(), replying?.id ?? null));
    if (picker.current) picker.current.value = "";
    write("");
    reply(null);
  };
  const onKeyDown = (event: React.KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.nativeEvent.isComposing) return;
    if (offered.length > 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      setPicked((picked + (event.key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length);
    } else if (offered.length > 0 && event.key === "Tab" && !event.shiftKey) {
      write(`/${offered[picked]!.command} `);
    } else if (event.key === "Enter" && !event.shiftKey) {
      if (offered.length > 0 && text.trim() !== `/${offered[picked]!.command}`) choose(offered[picked]!);
      else send();
    } else if (event.key === "Escape" && (editing || replying || text)) {
      if (editing || replying) {
        edit(null);
        reply(null);
      } else write("");
    } else if (event.key === "ArrowUp" && !text) {
      const me = read().me?.id;
      const last = chat.messages.findLast((one) => one.sender_id === me && one.text && one.media === null);
      if (last) edit(last);
      else lastMessage()?.focus();
    } else return;
    event.preventDefault();
  };

  const above = editing ?? replying;
  return (
    <div
      className="composer"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        void attach(event.dataTransfer.files);
      }}
    >
      {offered.length > 0 && (
        <ul className="commands" role="listbox" aria-label="Commands of the bot" id="commands">
          {offered.map((command, at) => (
            <li key={command.command} id={`command-${at}`} role="option" aria-selected={at === picked} onPointerDown={(event) => event.preventDefault()} onClick={() => choose(command)}>
              <strong>/{command.command}</strong> <span>{command.description}</span>
            </li>
          ))}
        </ul>
      )}
      {above && (
        <div className="above">
          <Icon name={editing ? "edit" : "reply"} />
          <div>
            <strong>{editing ? "Edit message" : `Reply to ${above.sender_name}`}</strong>
            <span>{preview(above)}</span>
          </div>
          <button type="button" className="round" aria-label={editing ? "Stop editing" : "Do not reply"} onClick={() => (edit(null), reply(null))}>
            <Icon name="close" />
          </button>
        </div>
      )}
      <div className="write-line">
        <button type="button" className="round" aria-label="Send a file or picture" title="Send a file or picture" onClick={() => picker.current?.click()}>
          <Icon name="clip" />
        </button>
        <input ref={picker} type="file" multiple hidden aria-hidden="true" onChange={(event) => void attach(event.target.files)} />
        <textarea
          id="write"
          ref={field}
          rows={1}
          value={text}
          placeholder={keyboard?.placeholder || "Message"}
          aria-label="Message"
          aria-controls={offered.length > 0 ? "commands" : undefined}
          aria-activedescendant={offered.length > 0 ? `command-${picked}` : undefined}
          onChange={(event) => write(event.target.value)}
          onKeyDown={onKeyDown}
          onPaste={(event) => event.clipboardData.files.length > 0 && (event.preventDefault(), void attach(event.clipboardData.files))}
        />
        {keyboard && (
          <button type="button" className={open ? "round on" : "round"} aria-label="Keyboard of the bot" aria-expanded={open} onClick={() => setFolded({ message: keyboard.message, hidden: keyboard.hidden, open: !open })}>
            <Icon name="keyboard" />
          </button>
        )}
        <button type="button" className="round send" aria-label={editing ? "Save" : "Send"} disabled={!text.trim()} onClick={send}>
          <Icon name={editing ? "check" : "send"} />
        </button>
      </div>
      {open && keyboard && <ReplyKeyboard chatRef={chatRef} keyboard={keyboard} />}
    </div>
  );
}

const lastMessage = () => [...document.querySelectorAll<HTMLElement>(".messages [data-message]")].at(-1);

function suggested(commands: BotCommand[], text: string): BotCommand[] {
  if (!/^\/\w*$/.test(text)) return [];
  return commands.filter((one) => one.command.startsWith(text.slice(1))).slice(0, 8);
}

/** What the bots of this chat offer; where there are several, each command names its bot. */
function useCommands(chatRef: string, fresh: number): BotCommand[] {
  const [commands, setCommands] = useState<BotCommand[]>([]);
  const me = useStore((state) => state.me?.id);
  useEffect(() => {
    let current = true;
    const take = (offers: Commands[]) => {
      const names = new Map(read().bots.map((bot) => [bot.id, bot.username]));
      const suffix = (bot: number) => (offers.length > 1 ? `@${names.get(bot) ?? ""}` : "");
      setCommands(offers.flatMap((offer) => offer.commands.map((one) => ({ ...one, command: one.command + suffix(offer.bot) }))));
    };
    api.get<Commands[]>(`${chatPath(chatRef)}/commands?person=${me}`).then(
      (got) => current && take(got),
      () => undefined, // a chat that nobody has opened offers none; one types them
    );
    return () => {
      current = false;
    };
  }, [chatRef, me, fresh]);
  return commands;
}

async function upload(chatRef: string, file: File, caption: string, replyTo: number | null): Promise<void> {
  const form = new FormData();
  form.set("person", String(read().me?.id));
  form.set("kind", /^image\/(png|jpeg)$/.test(file.type) ? "photo" : "document");
  form.set("caption", caption);
  if (replyTo !== null) form.set("reply_to", String(replyTo));
  form.set("files", file, file.name);
  await api.upload(`${chatPath(chatRef)}/media`, form);
}
