--[[ Licences as users write them: with ours, and without. For Lua 5.1 to 5.4. Pure text, loaded by carbonslurm.lua.

The gate is a licence that each flexible job carries once. Whoever asked for a hundred of it would shut the gate
for everybody, so nobody but root carries more than one, and nobody without a tag any.

Slurm's text is `name`, `name:3` or (from 23.11) `name=3`, name@server too, between `,` or `;` (all of them);
from 25.05 between `|` (any of them), which must not be mixed with the others. ]]

local M = {}

-- From 26.05 a name may also mean a remote licence of that name.
local function is_ours(item, ours)
  local name = item:match("^[^:=(]*")
  return name == ours or name == ours:match("^[^@]*")
end

-- Returns the text without our licence, and how many of ours it asked for: nil for none.
function M.split(text, ours)
  if type(text) ~= "string" or not text:find(ours:match("^[^@]*"), 1, true) then return text or "", nil end
  local kept, asked = {}, nil
  for before, item in ("," .. text):gmatch("([,;|])([^,;|]*)") do
    if is_ours(item, ours) then
      asked = (asked or 0) + (tonumber(item:match("[:=]([0-9]+)$")) or 1)
    else
      kept[#kept + 1] = (#kept > 0 and before or "") .. item
    end
  end
  if not asked then return text, nil end
  return table.concat(kept), asked
end

-- Whether two texts ask for the same; "a" is "a:1".
function M.same(one, other)
  local function sorted(text)
    local items = {}
    for item in text:gsub("=", ":"):gmatch("[^,;|]+") do
      items[#items + 1] = item:find(":", 1, true) and item or item .. ":1"
    end
    table.sort(items)
    return table.concat(items, text:find("|", 1, true) and "|" or ",")
  end
  return one == other or sorted(one) == sorted(other)
end

-- The text with our licence once; without it where any of several licences will do.
function M.with_one(text, ours)
  local others = M.split(text, ours)
  if text and text:find("|", 1, true) then return others end
  return (others ~= "" and others .. "," or "") .. ours .. ":1"
end

-- --tres-per-task=license/NAME:3 asks for licences too.
function M.without_per_task(text, ours)
  if type(text) ~= "string" or not text:find("license", 1, true) then return text end
  local kept = {}
  for item in text:gmatch("[^,]+") do
    local licence = item:match("^license[/:](.*)$")
    if not (licence and is_ours(licence, ours)) then kept[#kept + 1] = item end
  end
  return table.concat(kept, ",")
end

return M
