-- What all scripts share. ARGV[1] is how long a chat is remembered, in ms; ARGV[2] the shared prefix.
-- A change is {id, {command, …}}: what is to be done when the database has committed it.
local ttl, shared = tonumber(ARGV[1]), ARGV[2]

-- The change that waits for the database's commit, or false.
local function pending(key)
  local packed = redis.call('HGET', key, '~next')
  return packed and cmsgpack.unpack(packed)
end

-- Carry out a change that is committed. Its commands run once: `~next` goes with them.
local function carry_out(key, change)
  for _, command in ipairs(change[2]) do redis.call(unpack(command)) end
  redis.call('HDEL', key, '~next')
  redis.call('HSET', key, '~last', change[1])
end

-- Remember the chat for another period, with what its active sessions have elsewhere. That must outlive the chat's
-- hash, so it gets a tenth more, and is touched again only when a twentieth of the period has gone (`~slid`).
local function slide(key)
  redis.call('PEXPIRE', key, ttl)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local slid = redis.call('HGET', key, '~slid')
  if slid and now - slid < ttl * 0.05 then return end
  if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, '~slid', string.format('%.0f', now)) end
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local id = string.match(field, '^s:[^:]*:(.*)$')
    if id then
      for _, kind in ipairs({'session_home:', 'session_journal:', 'session_history:'}) do
        redis.call('PEXPIRE', shared .. kind .. id, math.floor(ttl * 1.1))
      end
    end
  end
end

