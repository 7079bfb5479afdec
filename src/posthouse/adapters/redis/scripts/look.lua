-- One session, by its id.
--   ARGV    the session's id
--   answer  its bytes or nil; the chat's hash, when a change waits there that may move it
local home = redis.call('GET', shared .. 'session_home:' .. ARGV[3])
if home then
  local field, key = string.match(home, '^(%S+) (.*)$')
  local found = redis.call('HGET', key, field)
  if found then return {found, redis.call('HEXISTS', key, '~next')} end
end
return {redis.call('GET', shared .. 'session_ended:' .. ARGV[3]), 0}
