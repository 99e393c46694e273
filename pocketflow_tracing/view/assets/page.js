// The file that `pocketflow-tracing view` writes: one trace, with its values in the page itself.

import { embeddedValues } from "./embedded.js";
import { themeSwitch } from "./theme.js";
import { TracePage } from "./trace-page.js";

const form = JSON.parse(document.getElementById("trace-form").textContent);
const { values, find } = embeddedValues(document.getElementById("trace-values"), form.spans.map((span) => span.id));

document.documentElement.classList.add("whole-page");
new TracePage(document.getElementById("trace"), form, { values, find, actions: [themeSwitch()] });
