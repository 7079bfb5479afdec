// Pictures, files and everything else that is not text.

import { useState } from "react";
import { lengthOf, sizeOf, words } from "./format";
import { Icon } from "./icons";
import { Modal } from "./Modal";
import { Invoice } from "./Payments";
import { Poll } from "./Poll";
import type { Media as MediaView, Message } from "./types";

const PICTURES = ["photo", "video", "animation", "sticker", "video_note"];
const WIDTH_MAX = 340;
const HEIGHT_MAX = 380;

export const isPicture = (message: Message) => message.media !== null && PICTURES.includes(message.media.kind);

export function Media({ messages }: { messages: Message[] }) {
  if (messages.length > 1 && messages.every(isPicture)) return <Album messages={messages} />;
  return (
    <>
      {messages.map((message) => (
        <One key={message.id} message={message} />
      ))}
    </>
  );
}

function Album({ messages }: { messages: Message[] }) {
  return (
    <div className={`album of-${Math.min(messages.length, 10)}`}>
      {messages.map((message) => message.media && <Picture key={message.id} message={message} media={message.media} inAlbum />)}
    </div>
  );
}

function One({ message }: { message: Message }) {
  const media = message.media;
  if (!media) return null;
  switch (media.kind) {
    case "photo":
    case "video":
    case "animation":
    case "sticker":
    case "video_note":
      return <Picture message={message} media={media} />;
    case "document":
      return <FileRow message={message} name={media.file_name || "file"} detail={sizeOf(media.size_bytes)} />;
    case "audio":
      return <Sound title={media.title || media.file_name || "Music"} media={media} />;
    case "voice":
      return <Sound title="Voice message" media={media} />;
    case "location":
      return <Card mark="📍" title={media.location?.live_period ? "Live location" : "Location"} detail={`${media.location?.latitude}, ${media.location?.longitude}`} />;
    case "venue":
      return <Card mark="📍" title={media.venue?.title ?? "Place"} detail={media.venue?.address ?? ""} />;
    case "contact":
      return <Card mark="👤" title={`${media.contact?.first_name ?? ""} ${media.contact?.last_name ?? ""}`.trim()} detail={media.contact?.phone_number ?? ""} />;
    case "dice":
      return <Dice emoji={media.dice?.emoji ?? "🎲"} value={media.dice?.value ?? 0} />;
    case "poll":
      return media.poll ? <Poll message={message} poll={media.poll} /> : null;
    case "invoice":
      return media.invoice ? <Invoice message={message} invoice={media.invoice} /> : null;
    default:
      return <Card mark="✳️" title={words(media.kind)} detail="its JSON is under “Copy as JSON”" />;
  }
}

function Picture({ message, media, inAlbum }: { message: Message; media: MediaView; inAlbum?: boolean }) {
  const [large, setLarge] = useState(false);
  const [covered, setCovered] = useState(media.spoiler);
  const [broken, setBroken] = useState(false);
  const kind = media.kind;
  const source = media.url ?? "";
  const width = media.width || 240;
  const height = media.height || 240;
  const scale = Math.min(1, (kind === "sticker" ? 180 : WIDTH_MAX) / width, HEIGHT_MAX / height);
  const frame = inAlbum ? undefined : { width: Math.max(60, Math.round(width * scale)), aspectRatio: `${width} / ${height}` };
  const moving = kind !== "photo" && kind !== "sticker";
  const name = kind === "photo" ? "Photo" : kind === "sticker" ? `Sticker ${media.sticker?.emoji ?? ""}` : "Video";
  if (broken || !source) return <FileRow message={message} name={media.file_name || name} detail={`${sizeOf(media.size_bytes)}, cannot be shown`} />;
  return (
    <div className={`picture ${kind}${covered ? " covered" : ""}`} style={frame}>
      {moving ? (
        <video src={source} controls={kind === "video"} autoPlay={kind === "animation"} loop={kind !== "video"} muted={kind !== "video"} playsInline preload="metadata" onError={() => setBroken(true)} />
      ) : (
        <button type="button" aria-label={`${name}: show large`} onClick={() => !covered && setLarge(true)}>
          <img src={source} alt={message.text || name} loading="lazy" onError={() => setBroken(true)} />
        </button>
      )}
      {covered && (
        <button type="button" className="cover" onClick={() => setCovered(false)}>
          Show
        </button>
      )}
      {large && (
        <Modal title={name} onClose={() => setLarge(false)}>
          <img className="large" src={source} alt={message.text || name} />
          <div className="modal-buttons">
            <a className="plain" href={`${source}?save=true`} download={media.file_name || true}>
              Save
            </a>
            <button type="button" className="primary" autoFocus onClick={() => setLarge(false)}>
              Close
            </button>
          </div>
        </Modal>
      )}
    </div>
  );
}

function FileRow({ message, name, detail }: { message: Message; name: string; detail: string }) {
  const url = message.media?.url;
  return (
    <a className="file" href={url ? `${url}?save=true` : undefined} download={name}>
      <span className="file-mark">
        <Icon name="file" />
      </span>
      <span className="file-text">
        <strong>{name}</strong>
        <small>{detail}</small>
      </span>
    </a>
  );
}

function Sound({ title, media }: { title: string; media: MediaView }) {
  return (
    <div className="sound">
      <strong>{title}</strong>
      <small>
        {media.performer ? `${media.performer} · ` : ""}
        {lengthOf(media.duration_s)}
      </small>
      <audio controls preload="none" src={media.url ?? undefined} aria-label={title} />
    </div>
  );
}

function Card({ mark, title, detail }: { mark: string; title: string; detail: string }) {
  return (
    <div className="file">
      <span className="file-mark" aria-hidden="true">
        {mark}
      </span>
      <span className="file-text">
        <strong>{title}</strong>
        <small>{detail}</small>
      </span>
    </div>
  );
}

function Dice({ emoji, value }: { emoji: string; value: number }) {
  return (
    <div className="dice">
      <span aria-hidden="true">{emoji}</span>
      <strong>{value}</strong>
    </div>
  );
}
