--[[ The tag: reading it as users write it, writing it as the hook hands it on. For Lua 5.1 to 5.4.

Pure text, loaded by carbonslurm.lua. carbonslurm/core/tag.py reads the same words: tests/tag_cases.json holds
what both accept and the sentences with which both refuse; change all three together. ]]

local M = {}

local PREFIX = "carbon:"
local MAX_TAG, MAX_ECHO = 200, 40
local DAY, HOUR, MINUTE = 86400, 3600, 60
local LONGEST_GRACE, DEFAULT_GRACE = HOUR, MINUTE
local UNITS = { { "d", DAY }, { "h", HOUR }, { "m", MINUTE }, { "s", 1 } }
local SIGNALS = { "USR1", "USR2", "TERM", "INT", "HUP", "ALRM", "CONT", "URG", "WINCH", "QUIT" }
local BLANKS = " \t\n\v\f\r"

local WORD, ANY, BLANK = "[^" .. BLANKS .. "]+", "[^" .. BLANKS .. "]*", "[" .. BLANKS .. "]"
local WRITTEN, MARK = PREFIX .. "v=1,", PREFIX .. "held="

M.PREFIX = PREFIX
M.LONGEST_DURATION = 30 * DAY

function M.set(names)
  local found = {}
  for _, name in ipairs(names) do found[name] = true end
  return found
end

local SIGNAL, FLAG = M.set(SIGNALS), M.set { "now", "full" }
local KNOWN = M.set { "now", "full", "flex", "finish", "checkpoint", "restart", "length" }

-- Text ---

-- Control and non-ASCII bytes are left out, so that an echo is safe in any log and any terminal.
local function echo(text) return (text:gsub("[^ -~]", ""):sub(1, MAX_ECHO)) end

-- "%.0f": integers without a decimal point, on 5.1 (where all numbers are doubles) as on 5.4.
function M.digits(number) return ("%.0f"):format(number) end

function M.text_of(value, limit) return type(value) == "string" and value:sub(1, limit) or "" end

-- A refusal travels as an error that carries one line, so that it is never taken for a bug of ours.
function M.refuse(...) error({ refused = string.format(...) }, 0) end

local digits, refuse = M.digits, M.refuse

function M.format_duration(seconds)
  local words = {}
  for _, unit in ipairs(UNITS) do
    local count = math.floor(seconds / unit[2])
    seconds = seconds - count * unit[2]
    if count > 0 then words[#words + 1] = digits(count) .. unit[1] end
  end
  return #words > 0 and table.concat(words) or "0s"
end

-- The tag as users write it ---

function M.find_tag(comment)
  for word in comment:gmatch(WORD) do
    if word:sub(1, #PREFIX) == PREFIX then return word end
  end
  return nil
end

local function parse_duration(name, text, longest)
  local total, rest = 0, text
  for _, unit in ipairs(UNITS) do
    local count, after = rest:match("^([0-9]+)" .. unit[1] .. "(.*)$")
    if count and #count <= 9 then total, rest = total + tonumber(count) * unit[2], after end
  end
  if text == "" or rest ~= "" then
    local bare = text:match("^[0-9]+$") and #text <= 9
    local why = bare and " (a bare number means minutes in Slurm, seconds elsewhere: give a unit)" or ""
    refuse('%s: expected a duration such as 12h or 1d12h, got "%s"%s', name, echo(text), why)
  end
  if total < 1 or total > longest then
    refuse('%s: expected 1s to %s, got "%s"', name, M.format_duration(longest), echo(text))
  end
  return total
end

local function parse_epoch(name, text)
  if not text:match("^[0-9]+$") or #text > 10 or tonumber(text) == 0 then
    refuse('%s: expected seconds since 1970, got "%s"', name, echo(text))
  end
  return tonumber(text)
end

local function parse_checkpoint(name, text)
  local written, at, grace = text:match("^([^@]*)(@?)(.*)$")
  local signal = written:gsub("^SIG", "")
  if not SIGNAL[signal] then
    refuse('%s: expected one of %s, got "%s"', name, table.concat(SIGNALS, " "), echo(written))
  end
  if at == "" then return signal, DEFAULT_GRACE end
  if grace:match("^[0-9]+$") and #grace <= 9 then grace = grace .. "s" end -- as in sbatch --signal=USR1@120
  return signal, parse_duration(name, grace, LONGEST_GRACE)
end

local function items_of(body)
  local items, count = {}, 0
  for item in (body .. ","):gmatch("([^,]*),") do
    local name, equals, value = item:match("^([^=]*)(=?)(.*)$")
    if item == "" then refuse("empty item") end
    if not KNOWN[name] then refuse('unknown item "%s"', echo(name)) end
    if items[name] then refuse("%s: given twice", name) end
    if FLAG[name] and equals ~= "" then refuse("%s: takes no value", name) end
    items[name], count = value, count + 1
  end
  return items, count
end

local function parse(word)
  if #word > MAX_TAG then refuse("expected at most %d characters", MAX_TAG) end
  if word:sub(1, #PREFIX) ~= PREFIX then
    refuse('expected a word that starts with "carbon:", got "%s"', echo(word))
  end
  local items, count = items_of(word:sub(#PREFIX + 1))
  if items.now and count > 1 then refuse("now: must stand alone") end
  for _, name in ipairs { "full", "restart" } do
    if items[name] and not items.checkpoint then refuse("%s: needs checkpoint", name) end
  end
  local declared = { now = items.now ~= nil, full = items.full ~= nil }
  if items.flex then declared.flex = parse_duration("flex", items.flex, M.LONGEST_DURATION) end
  if items.finish then declared.finish = parse_epoch("finish", items.finish) end
  if items.checkpoint then
    declared.signal, declared.grace = parse_checkpoint("checkpoint", items.checkpoint)
  end
  if items.restart then declared.restart = parse_duration("restart", items.restart, M.LONGEST_DURATION) end
  if items.length then declared.length = parse_duration("length", items.length, M.LONGEST_DURATION) end
  return declared
end

-- Returns what was declared, or nil and one line that says what is wrong.
function M.parse_declaration(word)
  local understood, result = pcall(parse, word)
  if understood then return result end
  if type(result) == "table" and result.refused then return nil, "carbon: " .. result.refused end
  error(result, 0)
end

-- The tag as the hook writes it, and what may stand beside it ---

function M.format_tag(declared, by, known)
  local items = { "v=1", "flex=" .. digits(declared.flex) }
  local function add(name, number)
    if number then items[#items + 1] = name .. "=" .. digits(number) end
  end
  add("latest", known.latest)
  add("begin", known.begin)
  add("window", known.window)
  add("finish", declared.finish)
  if declared.signal then
    items[#items + 1] = "checkpoint=" .. declared.signal .. "@" .. digits(declared.grace)
    if declared.full then items[#items + 1] = "full" end
    add("restart", declared.restart)
  end
  add("length", declared.length)
  return PREFIX .. table.concat(items, ",") .. ",by=" .. by
end

-- The tag in somebody's AdminComment: how long it may wait, and its latest start where it has one; or nil.
function M.read_tag(admin_comment)
  if type(admin_comment) ~= "string" then return nil end
  for word in admin_comment:gmatch(WORD) do
    if word:sub(1, #WRITTEN) == WRITTEN then
      return { flex = tonumber(word:match(",flex=([0-9]+)")), latest = tonumber(word:match(",latest=([0-9]+)")) }
    end
  end
  return nil
end

-- The mark is a word of ours in the Comment of a job that the daemon holds, with its latest start:
-- carbon:held=EPOCH. Returns a comment without any, and the epoch.
function M.split_mark(comment)
  if type(comment) ~= "string" then return "", nil end
  if not comment:find(MARK, 1, true) then return comment, nil end
  local held = tonumber((" " .. comment .. " "):match(BLANK .. MARK .. "([0-9]+)" .. BLANK))
  return (" " .. comment):gsub(BLANK .. MARK .. ANY, ""):gsub("^ ", ""), held
end

function M.format_mark(held) return MARK .. digits(held) end

return M
