// A message in one line.

import { words } from "./format";
import type { Message, Wire } from "./types";

const NAMES: Record<string, string> = {
  photo: "🖼 Photo",
  document: "📎 File",
  video: "🎬 Video",
  animation: "GIF",
  audio: "🎵 Music",
  voice: "🎤 Voice message",
  video_note: "Video message",
  sticker: "Sticker",
  location: "📍 Location",
  venue: "📍 Place",
  contact: "👤 Contact",
  dice: "🎲 Dice",
  poll: "📊 Poll",
  invoice: "🧾 Invoice",
};

export function preview(message: Message): string {
  if (isService(message)) return serviceText(message);
  const text = message.text.replace(/\s+/g, " ").slice(0, 160);
  const media = message.media;
  if (!media) return text || "Message";
  if (media.kind === "document") return text || `📎 ${media.file_name || "File"}`;
  if (media.kind === "dice") return `${media.dice?.emoji ?? "🎲"} ${media.dice?.value ?? ""}`;
  if (media.kind === "poll") return `📊 ${media.poll?.question ?? "Poll"}`;
  if (media.kind === "sticker") return `${media.sticker?.emoji ?? ""} Sticker`.trim();
  if (media.kind === "invoice") return `🧾 ${media.invoice?.title ?? "Invoice"}`;
  const name = NAMES[media.kind] ?? words(media.kind);
  return text ? `${name}, ${text}` : name;
}

/** Whether the chat says this about itself. */
export const isService = (message: Message) =>
  Object.keys(message.service).length > 0 || message.media?.kind === "new_chat_photo";

const named = (value: unknown) => {
  const users = (Array.isArray(value) ? value : [value]) as { first_name?: string }[];
  return users.map((user) => user?.first_name ?? "somebody").join(", ");
};

export function serviceText(message: Message): string {
  const [kind, value] = Object.entries(message.service)[0] ?? [message.media?.kind ?? "", null];
  const who = message.sender_name;
  switch (kind) {
    case "new_chat_members":
      return named(value) === who ? `${who} joined` : `${who} added ${named(value)}`;
    case "left_chat_member":
      return named(value) === who ? `${who} left` : `${who} removed ${named(value)}`;
    case "new_chat_title":
      return `${who} named the chat “${String(value)}”`;
    case "new_chat_photo":
      return `${who} changed the photo`;
    case "delete_chat_photo":
      return `${who} removed the photo`;
    case "pinned_message":
      return `${who} pinned a message`;
    case "group_chat_created":
    case "supergroup_chat_created":
    case "channel_chat_created":
      return `${who} created the chat`;
    case "migrate_to_chat_id":
      return `The group became a supergroup (${String(value)})`;
    case "migrate_from_chat_id":
      return `This supergroup was the group ${String(value)}`;
    case "forum_topic_created":
      return `${who} opened the topic “${String((value as Wire)["name"])}”`;
    case "successful_payment":
      return `${who} paid`;
    case "refunded_payment":
      return `${who} got a payment back`;
    case "users_shared":
    case "chat_shared":
      return `${who} shared what the bot asked for`;
    case "web_app_data":
      return `Data from “${String((value as Wire)["button_text"])}” was sent to the bot`;
    default:
      return `${who}: ${words(kind)}`;
  }
}
