// Sets light or dark before the first paint. It is a classic script, so that no frame shows the other one.
// The system's choice holds until the user makes one here.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden. The system decides then.
}
