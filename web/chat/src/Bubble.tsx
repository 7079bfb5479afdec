// One message, or one album, as it looks in the chat.

import { memo, type KeyboardEvent, type MouseEvent } from "react";
import type { Target } from "./ChatView";
import { exactTimeOf, timeOf } from "./format";
import { Icon } from "./icons";
import { InlineKeyboard } from "./Keyboards";
import { Media, isPicture } from "./Media";
import { isService, preview, serviceText } from "./preview";
import { RichText, isJumbo } from "./RichText";
import { Receipt } from "./Payments";
import { deleteMessage, dropPending, goTo, react, send, useStore, type Pending } from "./store";
import type { Message, Wire } from "./types";

interface Props {
  messages: Message[];
  first: boolean;
  last: boolean;
  day: string | null;
  unread: boolean;
  mine: boolean;
  named: boolean;
  replied: Message | "gone" | null;
  onTarget: (target: Target) => void;
}

export const Bubble = memo(function Bubble(props: Props) {
  const { messages, day, unread } = props;
  const service = isService(messages[0]!);
  return (
    <div data-id={messages[0]!.id} className="item">
      {day && <p className="day"><span>{day}</span></p>}
      {unread && <p className="unread-line" role="separator">New messages</p>}
      {service ? <ServiceLine {...props} /> : <Line {...props} />}
    </div>
  );
}, same);

/** Albums are made anew on every render; their messages are not. */
function same(a: Props, b: Props): boolean {
  return (
    a.messages.length === b.messages.length &&
    a.messages.every((message, index) => message === b.messages[index]) &&
    a.first === b.first && a.last === b.last && a.day === b.day && a.unread === b.unread &&
    a.mine === b.mine && a.named === b.named && a.replied === b.replied && a.onTarget === b.onTarget
  );
}

function targeting(message: Message, onTarget: (target: Target) => void) {
  const at = (element: Element) => {
    const box = element.getBoundingClientRect();
    return { x: box.left + 24, y: Math.min(box.bottom, window.innerHeight) - 24 };
  };
  return {
    onContextMenu: (event: MouseEvent<HTMLElement>) => {
      if (window.getSelection()?.toString()) return;
      event.preventDefault();
      onTarget({ message, at: event.clientX || event.clientY ? { x: event.clientX, y: event.clientY } : at(event.currentTarget) });
    },
    onKeyDown: (event: KeyboardEvent<HTMLElement>) => {
      if (event.target !== event.currentTarget) return;
      if (event.key === "Enter" || event.key === " ") onTarget({ message, at: at(event.currentTarget) });
      else if (event.key === "Delete") void deleteMessage(message);
      else return;
      event.preventDefault();
    },
  };
}

function ServiceLine({ messages, onTarget }: Props) {
  const message = messages[0]!;
  if (message.service["successful_payment"]) return <Receipt message={message} />;
  return (
    <p className="service" data-message={message.id} tabIndex={-1} {...targeting(message, onTarget)}>
      <span>{serviceText(message)}</span>
    </p>
  );
}

function Line({ messages, first, last, mine, named, replied, onTarget }: Props) {
  const message = messages[0]!;
  const captioned = messages.find((one) => one.text) ?? message;
  const hasMedia = message.media !== null;
  const bare = hasMedia && !captioned.text && replied === null && !message.origin && messages.every((one) => isPicture(one));
  const jumbo = !hasMedia && isJumbo(message.text);
  const above = message.media?.kind !== "invoice" && !message.media?.caption_above;
  const side = mine ? "mine" : "theirs";
  const name = mine ? "You" : message.sender_name;
  return (
    <div className={`line ${side}${first ? " first" : ""}${last ? " last" : ""}`}>
      <div className="stack">
        <article
          className={`bubble${bare ? " bare" : ""}${jumbo ? " jumbo" : ""}`}
          data-message={message.id}
          tabIndex={0}
          aria-label={`${name}: ${preview(captioned)}. ${timeOf(message.date)}${message.edited ? ", edited" : ""}`}
          {...targeting(message, onTarget)}
          onDoubleClick={undefined}
        >
          {named && first && !mine && <p className={`sender tint-${Math.abs(Number(message.sender_chat ?? message.sender_id)) % 7}`}>{message.sender_name}</p>}
          {message.origin && <p className="origin">Forwarded from {originName(message.origin)}</p>}
          {replied !== null && <Quoted message={message} replied={replied} />}
          {hasMedia && above && <Media messages={messages} />}
          {captioned.text && (
            <div className="text">
              <RichText text={captioned.text} entities={captioned.entities} chat={message.chat} />
            </div>
          )}
          {!above && <Media messages={messages} />}
          {message.reactions.length > 0 && <Reactions message={message} />}
          <span className="meta">
            {message.pinned && <Icon name="pin" />}
            {message.signature && <span>{message.signature}</span>}
            {message.edited && <span>edited</span>}
            <time title={exactTimeOf(message.date)}>{timeOf(message.date)}</time>
            {mine && <Icon name="check" />}
          </span>
        </article>
        {message.buttons.length > 0 && <InlineKeyboard message={message} />}
      </div>
    </div>
  );
}

/** A MessageOrigin in words. */
function originName(origin: Wire): string {
  const user = origin["sender_user"] as Wire | undefined;
  const chat = (origin["sender_chat"] ?? origin["chat"]) as Wire | undefined;
  return String(origin["sender_user_name"] ?? user?.["first_name"] ?? chat?.["title"] ?? "somebody");
}

function Reactions({ message }: { message: Message }) {
  const me = useStore((state) => state.me?.id ?? 0);
  return (
    <span className="reactions">
      {message.reactions.map((reaction) => {
        const mine = reaction.by.includes(me);
        const emoji = reaction.emoji ?? "⭐";
        return (
          <button key={emoji} type="button" className={mine ? "reaction mine" : "reaction"} aria-pressed={mine} aria-label={`${emoji}, ${reaction.by.length}`} onClick={() => void react(message, mine ? [] : [emoji])}>
            {emoji} {reaction.by.length > 1 ? reaction.by.length : ""}
          </button>
        );
      })}
    </span>
  );
}

function Quoted({ message, replied }: { message: Message; replied: Message | "gone" }) {
  return (
    <button type="button" className="quoted" onClick={() => message.reply_to !== null && void goTo(message.chat, message.reply_to)}>
      <strong>{replied === "gone" ? "Reply" : replied.sender_name}</strong>
      <span>{message.quote?.text ?? (replied === "gone" ? "to an earlier message" : preview(replied))}</span>
    </button>
  );
}

export function PendingBubble({ chatRef, pending }: { chatRef: string; pending: Pending }) {
  return (
    <div className="item">
      <div className="line mine first last">
        <div className="stack">
          <div className={pending.failed === null ? "bubble" : "bubble failed"}>
            <div className="text">{pending.text}</div>
            <span className="meta">
              <time>{timeOf(pending.at)}</time>
              <Icon name={pending.failed === null ? "clock" : "alert"} />
            </span>
          </div>
          {pending.failed !== null && (
            <p className="failure" role="alert">
              Not sent: {pending.failed}
              <button type="button" onClick={() => void send(chatRef, pending)}>
                Try again
              </button>
              <button type="button" onClick={() => dropPending(chatRef, pending.key)}>
                Drop
              </button>
            </p>
          )}
        </div>
      </div>
    </div>
  );
}
