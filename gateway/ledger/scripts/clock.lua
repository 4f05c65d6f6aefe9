-- The time of the store in microseconds: the only clock that the ledger knows. The simulator replaces this file.
local function store_time()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
