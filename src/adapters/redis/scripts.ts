import { createHash } from 'node:crypto'

/** A script that the server keeps under its digest. */
export interface Script {
  readonly source: string
  readonly sha1: string
}

/**
 * Conditions first, then writes: Redis does not undo what a script did before it failed.
 *
 * KEYS: one per operation. ARGV: five per operation: `put` or `del`; condition `''`, `absent` or `version`; the
 * version; time to live in ms or `''`; the value. Answers `{1, number of deleted keys}`, or `{0, operation (from 1),
 * version found}` where nothing was written; the version is `''` for no key and `type:…` for what is no string.
 */
const COMMIT = `
local function versionOf(key)
  local type = redis.call('TYPE', key).ok
  if type == 'none' then return '' end
  if type ~= 'string' then return 'type:' .. type end
  return redis.sha1hex(redis.call('GET', key))
end
for i, key in ipairs(KEYS) do
  local condition = ARGV[5 * i - 3]
  if condition ~= '' then
    local found = versionOf(key)
    if found ~= ARGV[5 * i - 2] then return {0, i, found} end
  end
end
local deleted = 0
for i, key in ipairs(KEYS) do
  if ARGV[5 * i - 4] == 'del' then
    deleted = deleted + redis.call('UNLINK', key)
  elseif ARGV[5 * i - 1] == '' then
    redis.call('SET', key, ARGV[5 * i])
  else
    redis.call('SET', key, ARGV[5 * i], 'PX', ARGV[5 * i - 1])
  end
end
return {1, deleted}
`

export const commitScript: Script = {
  source: COMMIT,
  sha1: createHash('sha1').update(COMMIT).digest('hex'),
}
