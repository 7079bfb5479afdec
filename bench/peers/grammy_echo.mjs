// A text echo on grammY that counts messages per chat in its session.
//
// MODE is one of
//
//     memory            grammY's default session storage
//     redis             @grammyjs/storage-redis with ioredis as documented, over the Unix socket in REDIS
//     redis-pipelined   the same, and commands of one turn of the event loop share a round trip
//                       (`enableAutoPipelining`): more work here, far less in Redis, so which of the two is
//                       faster depends on whether Redis has a core to itself
//
// Listens on 127.0.0.1:PORT, path /webhook, with grammY's own `webhookCallback`: the 200 is sent after the handler
// ended and the session was saved. Prints READY once it listens; on SIGUSR2 prints `HANDLED n`, the number of
// updates answered so far (Node keeps SIGUSR1 for its debugger).
//
// Calls to Telegram end in a transformer that answers at once, so neither JSON nor HTTP is paid for them.
import { createServer } from "node:http";
import { RedisAdapter } from "@grammyjs/storage-redis";
import { Bot, session, webhookCallback } from "grammy";
import { Redis } from "ioredis";

const { PORT, SECRET, REDIS, MODE } = process.env;

// With the bot's own record given, grammY needs no getMe at start.
const bot = new Bot("123456:bench", {
  botInfo: { id: 123456, is_bot: true, first_name: "Echo", username: "echo_bench_bot" },
});

let handled = 0;

bot.api.config.use(async (_previous, _method, payload) => ({
  ok: true,
  result: {
    message_id: ++handled,
    date: Math.floor(Date.now() / 1000),
    chat: { id: payload.chat_id, type: "private" },
    text: payload.text,
  },
}));

const initial = () => ({ count: 0 });
if (MODE.startsWith("redis")) {
  const instance = new Redis({ path: REDIS, enableAutoPipelining: MODE === "redis-pipelined" });
  bot.use(session({ initial, storage: new RedisAdapter({ instance }) }));
} else {
  bot.use(session({ initial }));
}

bot.on("message:text", async (ctx) => {
  ctx.session.count += 1;
  await ctx.reply(`${ctx.session.count}: ${ctx.message.text}`);
});

const handleUpdate = webhookCallback(bot, "http", { secretToken: SECRET });
const server = createServer(async (request, response) => {
  if (request.method !== "POST" || request.url !== "/webhook") {
    response.writeHead(404).end();
    return;
  }
  try {
    await handleUpdate(request, response);
  } catch (error) {
    console.error(error);
    if (!response.headersSent) response.writeHead(500).end();
  }
});
server.keepAliveTimeout = 75_000; // longer than a pause of the load generator, as behind a proxy

process.on("SIGUSR2", () => console.log(`HANDLED ${handled}`));
server.listen(Number(PORT), "127.0.0.1", () => console.log("READY"));
