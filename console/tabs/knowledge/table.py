"""Entries as a table: its search field, its rows, and the form of one entry."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from console.tabs.knowledge.table_handlers import TableHandlers, TableState
from console.tabs.page import BUSY, CLICKS, Page


@dataclass(frozen=True)
class Table:
    """Parts of the page that others fill."""

    group: gr.Column
    state: gr.State
    find: gr.Textbox
    rows: gr.HTML
    message: gr.HTML
    status: gr.HTML


@dataclass(frozen=True)
class Form:
    """The form of one entry, new or edited."""

    group: gr.Column
    title: gr.HTML
    text: gr.Textbox
    metadata: gr.Textbox
    save: gr.Button
    cancel: gr.Button


def entries_table(page: Page, status: gr.HTML) -> Table:
    """Build the search field, the rows, and the form of one entry."""
    t = page.t
    state = gr.State(TableState())
    with gr.Column(visible=False) as group:
        with gr.Row(elem_classes="vw-query-row", equal_height=True):
            find = gr.Textbox(
                label=t("table.find"),
                placeholder=t("table.find_placeholder"),
                elem_id="table-find",
                max_lines=1,
                max_length=1000,
                scale=8,
            )
            new = gr.Button(t("table.new"), elem_id="table-new", scale=1, min_width=120)
        message = gr.HTML("", elem_id="table-said", elem_classes="vw-slot", apply_default_css=False)
        form = _form(page)
        rows = gr.HTML("", js_on_load=CLICKS, elem_id="table-rows", apply_default_css=False)
    table = Table(group, state, find, rows, message, status)
    _wire(page, table, form, new)
    return table


def _form(page: Page) -> Form:
    t = page.t
    with gr.Column(visible=False, elem_classes="vw-form", elem_id="entry-form") as group:
        title = gr.HTML("", apply_default_css=False)
        text = gr.Textbox(label=t("table.text"), lines=2, max_lines=12, elem_id="entry-text", max_length=65_536)
        metadata = gr.Textbox(
            label=t("table.metadata"), lines=1, max_lines=8, elem_id="entry-metadata", max_length=65_536
        )
        with gr.Row(elem_classes="vw-buttons"):
            cancel = gr.Button(t("table.cancel"), elem_id="entry-cancel")
            save = gr.Button(t("table.save"), variant="primary", elem_id="entry-save")
    return Form(group, title, text, metadata, save, cancel)


def _wire(page: Page, table: Table, form: Form, new: gr.Button) -> None:
    handlers = TableHandlers(page)
    fields = [form.group, form.title, form.text, form.metadata]
    after = [table.state, table.rows, table.message, table.status]
    gr.on([table.find.submit], handlers.find, [page.tenant, table.find, table.state], after, **BUSY)
    table.rows.click(handlers.clicked, [page.tenant, table.state], [*after, *fields], **BUSY)
    new.click(handlers.new, [table.state], [table.state, *fields], **BUSY)
    form.cancel.click(handlers.cancel, [table.state], [table.state, form.group], **BUSY)
    form.save.click(handlers.save, [page.tenant, table.state, form.text, form.metadata], [*after, form.group], **BUSY)
