// node-telegram-bot-api as an agent; see agent_lines.py.
import { Api, Bot, InputFile } from "node-telegram-bot-api";
import { createWebhookServer } from "node-telegram-bot-api/node";
import { KINDS, SECRET, TOKEN, files, serve, tell, tellUpdate } from "./agent_lines.mjs";

const receiving = (url) => {
  const bot = new Bot(TOKEN, { apiRoot: url });
  bot.use((context) => tellUpdate(context.update));
  return bot;
};

await serve({
  async call({ call, url, parameters }) {
    const api = new Api(TOKEN, { apiRoot: url });
    if (typeof api[call] !== "function") return { unknown: call };
    const given = files(parameters, (data) => new InputFile(data, { filename: "file.bin" }));
    await (Object.keys(given).length ? api[call](given) : api[call]());
  },
  async poll(url) {
    tell({ ready: true });
    await receiving(url).startPolling(undefined, { allowed_updates: KINDS });
  },
  async listen(url, port) {
    const bot = receiving(url);
    createWebhookServer(bot, { path: "/hook", secretToken: SECRET }).listen(port, "127.0.0.1", async () => {
      await bot.api.setWebhook({
        url: `http://127.0.0.1:${port}/hook`,
        allowed_updates: KINDS,
        secret_token: SECRET,
      });
      tell({ ready: true });
    });
  },
});
