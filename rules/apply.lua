-- Apply changes that ride in no commit, in one step.
--   KEYS  the hashes that the changes name
--   ARGV  changes (see changes.lua)
-- include changes
apply_changes(ARGV[1])
