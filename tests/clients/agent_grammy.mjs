// grammY as an agent; see agent_lines.py.
import { createServer } from "node:http";
import { Api, Bot, InputFile, webhookCallback } from "grammy";
import { KINDS, SECRET, TOKEN, files, serve, tell, tellUpdate } from "./agent_lines.mjs";

const receiving = (url) => {
  const bot = new Bot(TOKEN, { client: { apiRoot: url } });
  bot.use((context) => tellUpdate(context.update));
  return bot;
};

await serve({
  async call({ call, url, parameters }) {
    const api = new Api(TOKEN, { apiRoot: url });
    const given = files(parameters, (data) => new InputFile(data, "file.bin"));
    await (Object.keys(given).length ? api.raw[call](given) : api.raw[call]());
  },
  async poll(url) {
    await receiving(url).start({ allowed_updates: KINDS, onStart: () => tell({ ready: true }) });
  },
  async listen(url, port) {
    const bot = receiving(url);
    await bot.init();
    createServer(webhookCallback(bot, "http", { secretToken: SECRET })).listen(port, "127.0.0.1", async () => {
      await bot.api.setWebhook(`http://127.0.0.1:${port}/hook`, { allowed_updates: KINDS, secret_token: SECRET });
      tell({ ready: true });
    });
  },
});
