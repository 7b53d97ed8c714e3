-- wrk: each connection waits before its next request. The wait is in whole milliseconds, so it varies around DELAY.
local wait = tonumber(os.getenv("DELAY"))
function delay()
	return math.floor(wait * 2 * math.random() + 0.5)
end
