"""What became of a merged change: releases, services, faults and tests since."""
