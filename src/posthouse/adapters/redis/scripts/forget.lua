-- Forget a session that expired long ago, unless it has moved since it was looked at.
--   KEYS    the chat's hash
--   ARGV    the session's id, its field, its bytes as they were seen
--   answer  how many went
if redis.call('HGET', KEYS[1], ARGV[4]) ~= ARGV[5] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[4])
for _, kind in ipairs({'session_home:', 'session_journal:', 'session_history:'}) do
  redis.call('DEL', shared .. kind .. ARGV[3])
end
return 1
