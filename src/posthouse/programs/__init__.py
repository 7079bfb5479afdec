"""Ways to write a bot: native `App`, a hosted aiogram Dispatcher; later flows, conversations, BotSpec."""
