-- Apply changes to hashes: JSON, [[op, index into KEYS, field, value, expiry in seconds], ...]; see `Change` in stream.py.
-- pcall: a key of the wrong type (somebody else's) spoils its own change and nothing else.
local function apply_changes(coded)
  for _, change in ipairs(cjson.decode(coded)) do
    local op, key, field, value, expiry = change[1], KEYS[change[2]], change[3], change[4], change[5]
    if op == 'add' then
      redis.pcall('HINCRBYFLOAT', key, field, value)
    elseif op == 'set' then
      redis.pcall('HSET', key, field, value)
    elseif op == 'once' then
      redis.pcall('HSETNX', key, field, value)
    else
      local held = redis.pcall('HGET', key, field)
      local old, new = tonumber(type(held) == 'string' and held or nil), tonumber(value)
      if not old or (op == 'min' and new < old) or (op == 'max' and new > old) then
        redis.pcall('HSET', key, field, value)
      end
    end
    if expiry > 0 then redis.pcall('EXPIRE', key, expiry) end
  end
end
