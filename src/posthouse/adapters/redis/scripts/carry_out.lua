-- After the database's commit: carry out the changes. Nothing happens to one that was carried out already.
--   KEYS    a chat's hash for each change
--   ARGV    for each: the change's id
for n, key in ipairs(KEYS) do
  local change = pending(key)
  if change and change[1] == ARGV[n + 2] then carry_out(key, change) end
end
