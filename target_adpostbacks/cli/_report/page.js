"use strict";
// The delivery log: filters, search and order. Whatever it shows is set as text, never as HTML.
(() => {
  const { made_at, timezone, titles, log } = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filters");
  if (!form) return;
  const PAGE = 50;
  const HOUR = 3_600_000;
  const HIGHEST_UNICODE = "\u{10ffff}";
  const made = Date.parse(made_at);
  const clock = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: timezone });

  const network = (line) => titles[line.network] ?? (line.network || "no network");
  const why = (line) => [[line.reason, line.code].filter(Boolean).join(" "), line.message, line.counted].filter(Boolean).join(": ");
  const COLUMNS = [
    { name: "Time", text: (line) => clock.format(new Date(line.time)), key: (line) => Date.parse(line.time) },
    { name: "Event", text: (line) => line.event },
    { name: "Status", text: (line) => line.status },
    { name: "HTTP", text: (line) => line.http_status ?? "", key: (line) => line.http_status ?? -1, number: true },
    { name: "Latency (ms)", text: (line) => line.latency_ms ?? "", key: (line) => line.latency_ms ?? -1, number: true },
    { name: "Attempt", text: (line) => line.attempt ?? "", key: (line) => line.attempt ?? -1, number: true },
    { name: "Network", text: network },
    { name: "Account", text: (line) => line.account },
    { name: "Event id", text: (line) => line.event_id },
    { name: "Reason", text: why, key: (line) => why(line) || HIGHEST_UNICODE },
  ];
  const lines = log.map((line) => ({
    ...line,
    at: Date.parse(line.time),
    title: network(line),
    words: [line.event_id, line.event, network(line), line.network, line.account, line.status, why(line)].join("\n").toLowerCase(),
  }));

  const table = document.getElementById("lines");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const state = { column: 0, descending: true, limit: PAGE };

  const make = (tag, role, text) => {
    const element = document.createElement(tag);
    if (role) element.setAttribute("role", role);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const buttons = COLUMNS.map((column, number) => {
    const button = make("button", null, column.name);
    button.type = "button";
    button.addEventListener("click", () => {
      state.descending = state.column === number ? !state.descending : number === 0;
      state.column = number;
      draw();
    });
    return button;
  });
  const heads = buttons.map((button, number) => {
    const head = make("th", "columnheader");
    head.scope = "col";
    if (COLUMNS[number].number) head.className = "number";
    head.append(button);
    return head;
  });
  const thead = make("thead", "rowgroup");
  const headRow = make("tr", "row");
  headRow.append(...heads);
  thead.append(headRow);
  const body = make("tbody", "rowgroup");
  table.append(thead, body);

  const options = (select, values) => {
    for (const value of [...new Set(values)].sort()) {
      const option = make("option", null, value || "–");
      option.value = value;
      select.append(option);
    }
  };
  options(form.elements.status, lines.map((line) => line.status));
  options(form.elements.network, lines.map((line) => line.title));
  options(form.elements.event, lines.map((line) => line.event).filter(Boolean));

  const matching = () => {
    const hours = Number(form.elements.hours.value);
    const status = form.elements.status.value;
    const title = form.elements.network.value;
    const event = form.elements.event.value;
    const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    return lines.filter((line) =>
      (!hours || line.at >= made - hours * HOUR) &&
      (!status || line.status === status) &&
      (!title || line.title === title) &&
      (!event || line.event === event) &&
      words.every((word) => line.words.includes(word)));
  };

  const ordered = (some) => {
    const { text, key = text } = COLUMNS[state.column];
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      return typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    };
    return [...some].sort((a, b) => (state.descending ? compare(b, a) : compare(a, b)));
  };

  const row = (line) => {
    const element = make("tr", "row");
    COLUMNS.forEach((column) => {
      const cell = make("td", "cell");
      cell.dataset.label = column.name;
      const text = String(column.text(line));
      if (column.number) cell.className = "number";
      if (column.name === "Status") {
        const status = make("span", null, text);
        status.className = `status ${text.toLowerCase()}`;
        cell.append(status);
      } else {
        cell.textContent = text;
      }
      if (!text) cell.classList.add("empty");
      element.append(cell);
    });
    return element;
  };

  const draw = () => {
    const some = matching();
    const visible = ordered(some).slice(0, state.limit);
    body.replaceChildren(...visible.map(row));
    heads.forEach((head, number) => {
      const order = state.descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", number === state.column ? order : "none");
    });
    const count = (number) => number.toLocaleString("en");
    shown.textContent = some.length === 0
      ? "No line matches."
      : `${count(visible.length)} of ${count(some.length)} matching lines are shown, of ${count(lines.length)}.`;
    more.hidden = visible.length === some.length;
  };

  const again = () => {
    state.limit = PAGE;
    draw();
  };
  form.addEventListener("input", again);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => queueMicrotask(again));
  more.addEventListener("click", () => {
    state.limit += PAGE;
    draw();
  });
  form.hidden = false;
  draw();
})();
