// The page: three columns where there is room, one screen at a time where there is not.

import { useEffect, useState } from "react";
import { ChatView } from "./ChatView";
import { DialogList } from "./DialogList";
import { Icon } from "./icons";
import { Inspector } from "./Inspector";
import { Modal } from "./Modal";
import { ChooseChat, Entering, MiniApp } from "./Openings";
import { PaySheet } from "./Payments";
import { close, closeAlert, inspect, open, read, useStore } from "./store";
import { Welcome } from "./Welcome";

export function App() {
  const phase = useStore((state) => state.phase);
  const opened = useStore((state) => state.open);
  const screen = useStore((state) => state.screen);
  const inspecting = useStore((state) => state.inspecting);
  const [help, setHelp] = useState(false);
  useShortcuts(() => setHelp(true));
  if (phase === "loading") return <Loading />;
  if (phase === "choosing") {
    return (
      <>
        <Welcome />
        <Overlays />
      </>
    );
  }
  return (
    <div className={`page show-${opened === null ? "list" : screen}${inspecting && opened !== null ? " inspecting" : ""}`}>
      <DialogList onHelp={() => setHelp(true)} />
      {opened === null ? <Nothing /> : <ChatView chatRef={opened} />}
      {inspecting && opened !== null && <Inspector chatRef={opened} />}
      <Overlays />
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  );
}

function Overlays() {
  const toasts = useStore((state) => state.toasts);
  const alert = useStore((state) => state.alert);
  return (
    <>
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map((toast) => (
          <p key={toast.id} className={toast.bad ? "toast bad" : "toast"}>
            {toast.text}
          </p>
        ))}
      </div>
      {alert && (
        <Modal title={alert.title} onClose={closeAlert}>
          <p className="alert-text">{alert.text}</p>
          <div className="modal-buttons">
            <button type="button" className="primary" autoFocus onClick={closeAlert}>
              OK
            </button>
          </div>
        </Modal>
      )}
      <PaySheet />
      <MiniApp />
      <ChooseChat />
      <Entering />
    </>
  );
}

function Loading() {
  const connected = useStore((state) => state.connected);
  return <p className="loading">{connected ? "…" : "Looking for the simulator…"}</p>;
}

function Nothing() {
  return (
    <main className="chat nothing-open">
      <div>
        <Icon name="bot" />
        <h1>Choose a chat</h1>
        <p>or write to a bot you have not met: it is in the list, with its first call.</p>
      </div>
    </main>
  );
}

const KEYS: [string, string][] = [
  ["Ctrl K", "search"],
  ["Alt ↑ ↓", "another chat"],
  ["Enter", "send; Shift Enter makes a new line"],
  ["↑ in an empty line", "edit what you said last"],
  ["Shift Tab, then ↑ ↓", "walk through the messages"],
  ["R, E, Delete, Enter", "on a message: reply, edit, delete, all choices"],
  ["Ctrl I", "inspector"],
  ["Esc", "leave what is open"],
  ["?", "this list"],
];

function Help({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Keyboard" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div className="modal-buttons">
        <button type="button" className="primary" autoFocus onClick={onClose}>
          Close
        </button>
      </div>
    </Modal>
  );
}

function useShortcuts(onHelp: () => void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const control = event.ctrlKey || event.metaKey;
      const writing = event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
      if (control && event.key.toLowerCase() === "k") document.getElementById("search")?.focus();
      else if (control && event.key.toLowerCase() === "i" && read().open !== null) inspect(!read().inspecting);
      else if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) step(event.key === "ArrowDown" ? 1 : -1);
      else if (event.key === "?" && !writing) onHelp();
      else if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]") && !writing && read().open !== null) close();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
    // eslint-disable-next-line
  }, []);
}

function step(by: number): void {
  const { order, open: now } = read();
  const next = order[(now === null ? -1 : order.indexOf(now)) + by];
  if (next !== undefined) void open(next);
}
