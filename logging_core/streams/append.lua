-- Append a producer's next batch to a shard's stream.
--   KEYS  stream, shard (hash), producer (hash), producers (set)
--   ARGV  producer id, first ordinal, count, body, jump (0/1), budget in bytes, service, gaps, then pairs
--         of a report: field, value
--   reply {status, appended, committed}
-- A batch that is not the next one is refused by `seek`: the producer goes to appended + 1 and sends from there. That
-- answers repeats (a reply that was lost, a folder that was adopted) and gaps alike. `jump` takes a gap, with or without a
-- record behind it; `gaps` declares what of it was dropped on purpose.
local first, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS[3], 'appended', 'committed', 'accepted')
local appended, committed = tonumber(known[1] or 0), tonumber(known[2] or 0)
local status = 'ok'
local sends = count > 0 or ARGV[5] == '1'
if sends then
  local waiting = tonumber(redis.call('HGET', KEYS[2], 'bytes') or 0)
  if first ~= appended + 1 and not (ARGV[5] == '1' and first > appended) then
    status = 'seek'
  elseif waiting > 0 and waiting + #ARGV[4] > tonumber(ARGV[6]) then
    status = 'full'
  end
end
-- The report first: its fields belong to whatever happens to the batch.
local now = redis.call('TIME')
local fields = {'seen', now[1], 'service', ARGV[7]}
for i = 9, #ARGV, 2 do
  -- Whoever adopts a part of what was accepted (a reboot clears tmpfs) does not know of the rest.
  local older = ARGV[i] == 'accepted' and tonumber(known[3] or 0) > tonumber(ARGV[i + 1])
  fields[#fields + 1] = ARGV[i]
  fields[#fields + 1] = older and known[3] or ARGV[i + 1]
end
if sends and status == 'ok' then
  -- What waits is counted with the gap before it, which belongs to nothing else until the writer has seen it.
  local waits = first + count - 1 - appended
  local entry = {'producer', ARGV[1], 'first', ARGV[2], 'count', ARGV[3], 'service', ARGV[7], 'body', ARGV[4],
    'waits', waits}
  if ARGV[8] ~= '' then
    entry[#entry + 1] = 'gaps'
    entry[#entry + 1] = ARGV[8]
  end
  redis.call('XADD', KEYS[1], '*', unpack(entry))
  redis.call('HINCRBY', KEYS[2], 'bytes', #ARGV[4])
  redis.call('HINCRBY', KEYS[2], 'records', waits)
  appended = first + count - 1
  fields[#fields + 1] = 'appended'
  fields[#fields + 1] = appended
end
redis.call('HSET', KEYS[3], unpack(fields))
if redis.call('SADD', KEYS[4], ARGV[1]) == 1 then redis.call('PERSIST', KEYS[3]) end
return {status, appended, committed}
