// Buttons under a message, and the keyboard that stands where one writes.

import { Icon, type IconName } from "./icons";
import { openButton, openKeyApp, press, pressKey, useStore } from "./store";
import type { Button, Keyboard, Message } from "./types";

export function InlineKeyboard({ message }: { message: Message }) {
  const pressed = useStore((state) => state.pressed);
  const waits = new Set(pressed.values());
  return (
    <div className="inline-keyboard" role="group" aria-label="Buttons">
      {message.buttons.map((row, at) => (
        <div className="inline-row" key={at}>
          {row.map((button, index) => (
            <InlineButton key={index} message={message} button={button} waits={waits.has(`${message.chat}/${message.id}/${button.text}`)} />
          ))}
        </div>
      ))}
    </div>
  );
}

function InlineButton({ message, button, waits }: { message: Message; button: Button; waits: boolean }) {
  const mark = markOf(button);
  return (
    <button
      type="button"
      className={`inline-button${waits ? " waits" : ""}${button.style ? ` style-${button.style}` : ""}`}
      aria-busy={waits || undefined}
      onClick={() => act(message, button)}
    >
      <span>{button.text}</span>
      {mark && <Icon name={mark} />}
    </button>
  );
}

function markOf(button: Button): IconName | null {
  if (button.url || button.login_url) return "link";
  if (button.copy_text) return "copy";
  if (button.web_app) return "code";
  if (typeof button.switch_inline_query === "string" || button.switch_inline_query_chosen_chat) return "forward";
  return null;
}

function act(message: Message, button: Button): void {
  if (button.callback_data !== null) void press(message, button.text, button.callback_data);
  else void openButton(message, button);
}

export function ReplyKeyboard({ chatRef, keyboard }: { chatRef: string; keyboard: Keyboard }) {
  return (
    <div className="reply-keyboard" role="group" aria-label="Keyboard of the bot">
      {keyboard.rows.map((row, at) => (
        <div className="reply-row" key={at}>
          {row.map((key, index) => {
            const text = String(key["text"] ?? "");
            return (
              <button key={index} type="button" className={key["style"] ? `style-${String(key["style"])}` : undefined} onClick={() => void (key["web_app"] ? openKeyApp(chatRef, text) : pressKey(chatRef, text))}>
                {text}
              </button>
            );
          })}
        </div>
      ))}
    </div>
  );
}
