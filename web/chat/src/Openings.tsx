// What stands before the person when a link or a button has opened something that is no chat.

import { useState, type FormEvent } from "react";
import { Modal } from "./Modal";
import { choose, closeApp, copy, enter, sendAppData, stayOut, stopChoosing, useStore } from "./store";

const DATA_MAX = 4096;

/** A Mini App: what its page would be loaded with, and a way to send what it would send. */
export function MiniApp() {
  const app = useStore((state) => state.app);
  const [data, setData] = useState("");
  if (!app) return null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setData("");
    void sendAppData(app, data);
  };
  return (
    <Modal title="Mini App" onClose={closeApp}>
      <p className="hint">The page does not run Mini Apps. This is what the app would be loaded with.</p>
      <form onSubmit={submit} className="opened">
        <label>
          Address
          <textarea readOnly rows={3} value={app.url} />
        </label>
        {app.init_data && (
          <label>
            Launch data
            <textarea readOnly rows={4} value={app.init_data} />
          </label>
        )}
        {app.can_send_data && (
          <label>
            Data for the bot
            <input value={data} maxLength={DATA_MAX} required autoFocus onChange={(event) => setData(event.target.value)} />
          </label>
        )}
        <div className="modal-buttons">
          <button type="button" className="plain" onClick={closeApp}>
            Close
          </button>
          <button type="button" className="plain" onClick={() => void copy(app.url)}>
            Copy the address
          </button>
          {app.can_send_data && (
            <button type="submit" className="primary">
              Send data
            </button>
          )}
        </div>
      </form>
    </Modal>
  );
}

/** The chats that a link with `startgroup`, or an inline query, may go to. */
export function ChooseChat() {
  const choosing = useStore((state) => state.choosing);
  const dialogs = useStore((state) => state.dialogs);
  const order = useStore((state) => state.order);
  if (!choosing) return null;
  const chats = order.flatMap((ref) => dialogs.get(ref) ?? []).filter((one) => choosing.link === null || one.kind !== "private");
  return (
    <Modal title={choosing.link === null ? "Where to ask?" : "Which group?"} onClose={stopChoosing}>
      {chats.length === 0 && <p className="hint">You are in no chat that fits.</p>}
      <div className="options chats-to-choose">
        {chats.map((one) => (
          <button key={one.ref} type="button" onClick={() => void choose(one.ref)}>
            <span>{one.title}</span>
          </button>
        ))}
      </div>
      <div className="modal-buttons">
        <button type="button" className="plain" onClick={stopChoosing}>
          Cancel
        </button>
      </div>
    </Modal>
  );
}

/** The door of a public chat. */
export function Entering() {
  const entering = useStore((state) => state.entering);
  if (!entering) return null;
  return (
    <Modal title={entering.title} onClose={stayOut}>
      <p className="alert-text">@{entering.username} is public, and you are not in it.</p>
      <div className="modal-buttons">
        <button type="button" className="plain" onClick={stayOut}>
          Cancel
        </button>
        <button type="button" className="primary" autoFocus onClick={() => void enter(entering)}>
          Join
        </button>
      </div>
    </Modal>
  );
}
