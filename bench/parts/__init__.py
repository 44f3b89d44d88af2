"""One part of the bench each: part(report, args, folder) measures and adds its rows."""
