-- Sends each request as a new client's, told by X-Forwarded-For from 10.0.0.1 on; with the argument "same" as one
-- client's, so that the load costs wrk the same.
local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  wrk.method = "POST"
  same = args[1] == "same"
  count = 0
end

function request()
  count = count + 1
  local n = same and 0 or id * 4194304 + count
  wrk.headers["X-Forwarded-For"] = same and "127.0.0.1" or
    string.format("10.%d.%d.%d", math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
  return wrk.format()
end
