// What the Node agents share; the protocol is described in agent_lines.py.
import { createInterface } from "node:readline";

export const TOKEN = "4242:secret";
export const SECRET = "s3cret";
export const KINDS = (
  "message edited_message channel_post edited_channel_post business_connection business_message " +
  "edited_business_message deleted_business_messages guest_message message_reaction message_reaction_count " +
  "inline_query chosen_inline_result callback_query shipping_query pre_checkout_query purchased_paid_media poll " +
  "poll_answer my_chat_member chat_member chat_join_request chat_boost removed_chat_boost managed_bot subscription " +
  "stopped_message_generation"
).split(" ");

export const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");

export const tellUpdate = (update) =>
  tell({ update: Object.keys(update).find((key) => key !== "update_id"), id: update.update_id });

// The value with every $file in it replaced by the client's own kind of upload.
export function files(value, make) {
  if (Array.isArray(value)) return value.map((item) => files(item, make));
  if (value === null || typeof value !== "object") return value;
  if ("$file" in value) return make(Buffer.from(value.$file, "base64"));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, files(item, make)]));
}

export async function serve({ call, poll, listen }) {
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    try {
      if (command.call) tell((await call(command)) ?? { ok: true });
      else if (command.poll) await poll(command.url);
      else await listen(command.url, command.listen);
    } catch (error) {
      tell({ error: `${error.name}: ${error.message}` });
    }
  }
  process.exit(0);
}
