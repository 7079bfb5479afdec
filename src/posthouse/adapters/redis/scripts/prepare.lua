-- Before the database's commit: compare, and lay the changes of turns beside what the chats remember.
--   KEYS    a chat's hash for each turn
--   ARGV    for each: its lease's token, the change's id, the change, and what is to be compared: {id, field, begins}
--   answer  for each: 'ok', 'fenced' (another lease has the chat), 'unsettled' (an earlier change of this lease may
--           have been committed or not), 'moved' (a session is elsewhere), or the ids of sessions that are not here
-- `begins` is how the session's bytes must begin; '' for one that must not exist. The chat is remembered for another
-- period from now on, so that it cannot expire between this and the commit.
local function prepare(key, token, id, change, compared)
  local lease = redis.call('HGET', key, '~lease')
  if lease and lease ~= token then return 'fenced' end
  if redis.call('HGET', key, '~last') == id then return 'ok' end  -- committed before; only the answer was lost
  local other = pending(key)
  if other and other[1] ~= id then return 'unsettled' end
  local absent = {}
  for _, session in ipairs(cmsgpack.unpack(compared)) do
    local name, field, begins = unpack(session)
    local now = redis.call('HGET', key, field) or redis.call('GET', shared .. 'session_ended:' .. name)
    if begins == '' then
      if now or redis.call('EXISTS', shared .. 'session_home:' .. name) == 1 then return 'moved' end
    elseif not now then
      absent[#absent + 1] = name
    elseif string.sub(now, 1, #begins) ~= begins then
      return 'moved'
    end
  end
  if #absent > 0 then return absent end
  redis.call('HSET', key, '~lease', token, '~next', change)
  slide(key)
  return 'ok'
end

local answers = {}
for n, key in ipairs(KEYS) do
  answers[n] = prepare(key, ARGV[4 * n - 1], ARGV[4 * n], ARGV[4 * n + 1], ARGV[4 * n + 2])
end
return answers
