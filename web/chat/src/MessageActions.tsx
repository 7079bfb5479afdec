// What can be done with one message.

import { Menu, type Choice } from "./Menu";
import { isService } from "./preview";
import { copy, deleteMessage, edit, inspect, react, read, reply } from "./store";
import type { Target } from "./ChatView";

const REACTIONS = ["👍", "❤", "🔥", "🎉", "😁", "👎"];

export function Actions({ target, onClose }: { target: Target; onClose: () => void }) {
  const { message, at } = target;
  const mine = message.sender_id === read().me?.id;
  const service = isService(message);
  const isText = message.media === null;
  const write = () => window.setTimeout(() => document.getElementById("write")?.focus());
  const choices: Choice[] = [
    ...(service ? [] : [{ label: "Reply", icon: "reply" as const, detail: "R", act: () => (reply(message), void write()) }]),
    ...(mine && isText && !service ? [{ label: "Edit", icon: "edit" as const, detail: "E", act: () => (edit(message), void write()) }] : []),
    ...(message.text ? [{ label: "Copy text", icon: "copy" as const, act: () => void copy(message.text) }] : []),
    { label: "Copy as JSON", icon: "code", act: () => void copy(JSON.stringify(message, null, 2)) },
    { label: "See the calls", icon: "bolt", act: () => inspect(true) },
    { label: "Delete", icon: "trash", detail: "Del", bad: true, act: () => void deleteMessage(message) },
  ];
  const me = read().me?.id ?? 0;
  return (
    <Menu at={at} label={`Message ${message.id}`} choices={choices} onClose={onClose}>
      {!service && (
        <div className="reaction-row" role="group" aria-label="Reactions">
          {REACTIONS.map((emoji) => {
            const mine = message.reactions.some((one) => one.emoji === emoji && one.by.includes(me));
            return (
              <button key={emoji} type="button" role="menuitem" aria-label={mine ? `Take back ${emoji}` : `React with ${emoji}`} onClick={() => (onClose(), void react(message, mine ? [] : [emoji]))}>
                {emoji}
              </button>
            );
          })}
        </div>
      )}
    </Menu>
  );
}
