// Line icons, 16 px.

import { svg } from "./element.js";

const PATHS = {
  play: "M5 3.2 12 8 5 12.8Z",
  pause: "M5.5 3.5V12.5M10.5 3.5V12.5",
  stop: "M4.5 4.5H11.5V11.5H4.5Z",
  again: "M12.6 6.2A5 5 0 1 0 13 8.6M12.8 3V6.4H9.4",
  plus: "M8 3.2V12.8M3.2 8H12.8",
  minus: "M3.2 8H12.8",
  fit: "M3 6V3H6M10 3H13V6M13 10V13H10M6 13H3V10",
  search: "M7 12A5 5 0 1 0 7 2 5 5 0 0 0 7 12ZM10.6 10.6 14 14",
  close: "M4 4 12 12M12 4 4 12",
  copy: "M5.5 5.5V3H13V10.5H10.5M3 5.5H10.5V13H3Z",
  back: "M9.5 3.5 5 8 9.5 12.5",
  sun: "M8 10.8A2.8 2.8 0 1 0 8 5.2 2.8 2.8 0 0 0 8 10.8ZM8 1.6V2.6M8 13.4V14.4M1.6 8H2.6M13.4 8H14.4M3.5 3.5 4.2 4.2M11.8 11.8 12.5 12.5M12.5 3.5 11.8 4.2M4.2 11.8 3.5 12.5",
  moon: "M13 9.6A5.4 5.4 0 0 1 6.4 3 5.4 5.4 0 1 0 13 9.6Z",
  show: "M1.8 8C4.4 3.6 11.6 3.6 14.2 8 11.6 12.4 4.4 12.4 1.8 8ZM8 9.8A1.8 1.8 0 1 0 8 6.2 1.8 1.8 0 0 0 8 9.8Z",
  download: "M8 2.5V10M4.8 7 8 10.2 11.2 7M3 13.2H13",
  trash: "M3 4.5H13M6.2 4.5V3H9.8V4.5M4.3 4.5 5 13H11L11.7 4.5",
  edit: "M3 13 3.6 10.4 10.8 3.2 12.8 5.2 5.6 12.4Z",
};

export const icon = (name) => svg("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
