"""What a site may name as its policy: known without numpy, which the policies themselves need."""

JOINT = "joint"  # places all jobs together: core.placing
NAMES = ("no-wait", "threshold", "lowest-slot", "lowest-window", "carbon-time", JOINT)
