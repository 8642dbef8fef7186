"""What people look at: the page, the live view, `explain`, metrics, and logs."""
