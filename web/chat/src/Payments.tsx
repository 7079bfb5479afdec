// Invoices, the sheet one pays in, and what stays in the chat when the money has moved.

import { useEffect, useState, type FormEvent } from "react";
import { api, ApiError, chatPath, whyOf } from "./api";
import { priceOf } from "./format";
import { Modal } from "./Modal";
import { closePay, pay, read, useStore } from "./store";
import type { Checkout, InvoiceForm, Message, OrderInfo, Stars, Wire } from "./types";

export function Invoice({ message, invoice }: { message: Message; invoice: InvoiceForm }) {
  const hasButton = message.buttons.length > 0;
  const amount = priceOf(invoice.total_amount, invoice.currency);
  return (
    <div className="invoice">
      <strong>{invoice.title}</strong>
      <p>{invoice.description}</p>
      <p className="invoice-total">{amount}</p>
      {!hasButton && (
        <button type="button" className="primary" onClick={() => pay(message)}>
          Pay {amount}
        </button>
      )}
    </div>
  );
}

export function Receipt({ message }: { message: Message }) {
  const payment = message.service["successful_payment"] as Wire;
  return (
    <p className="service paid" data-message={message.id} tabIndex={-1}>
      <span>
        You paid {priceOf(Number(payment["total_amount"]), String(payment["currency"]))}
        {payment["is_recurring"] ? " for a subscription" : ""}
      </span>
    </p>
  );
}

export function PaySheet() {
  const asked = useStore((state) => state.paying);
  const [form, setForm] = useState<InvoiceForm | null>(null);
  const [why, setWhy] = useState<string | null>(null);
  useEffect(() => {
    setForm(null);
    setWhy(null);
    if (!asked) return;
    const path = "message" in asked ? `${chatPath(asked.message.chat)}/messages/${asked.message.id}/invoice` : `/invoices/${encodeURIComponent(asked.slug)}`;
    let current = true;
    api.get<InvoiceForm>(path).then(
      (got) => current && setForm(got),
      (error: unknown) => current && setWhy(error instanceof ApiError && error.status === 404 ? "This invoice is not here any more." : whyOf(error)),
    );
    return () => {
      current = false;
    };
  }, [asked]);
  if (!asked) return null;
  return (
    <Modal title={form?.title ?? "Invoice"} onClose={closePay}>
      {why !== null && (
        <>
          <p role="alert">{why}</p>
          <div className="modal-buttons">
            <button type="button" autoFocus onClick={closePay}>
              Close
            </button>
          </div>
        </>
      )}
      {why === null && form === null && <p className="hint">…</p>}
      {form && <Form form={form} message={"message" in asked ? asked.message : null} onClose={closePay} />}
    </Modal>
  );
}

function Form({ form, message, onClose }: { form: InvoiceForm; message: Message | null; onClose: () => void }) {
  const me = useStore((state) => state.me);
  const [tip, setTip] = useState(0);
  const [stars, setStars] = useState<number | null>(null);
  const [checkout, setCheckout] = useState<Checkout | null>(null);
  const [busy, setBusy] = useState(false);
  const [why, setWhy] = useState<string | null>(null);
  const isStars = form.currency === "XTR";
  useEffect(() => {
    if (isStars && me) api.get<Stars>(`/people/${me.id}/stars`).then((got) => setStars(got.balance), () => setStars(null));
  }, [isStars, me]);
  const total = checkout?.total_amount ?? form.total_amount + tip;
  const short = isStars && stars !== null && stars < total;

  const wait = async (begun: Checkout) => {
    const now = await api.get<Checkout>(`/checkouts/${begun.id}?within_s=15`);
    setCheckout(now);
    if (now.state === "paid") onClose();
  };
  const act = async (what: () => Promise<Checkout>) => {
    setBusy(true);
    setWhy(null);
    try {
      await wait(await what());
    } catch (error) {
      setWhy(whyOf(error));
    }
    setBusy(false);
  };
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    void act(() =>
      api.post<Checkout>("/checkouts", {
        person: read().me?.id,
        ...(message ? { chat: message.chat, message: message.id } : { invoice: form.slug }),
        tip,
        order_info: orderInfo(form, given),
      }),
    );
  };
  const topUp = async () => {
    if (!me) return;
    try {
      setStars((await api.post<Stars>(`/people/${me.id}/stars`, { amount: Math.max(total, 100) })).balance);
    } catch (error) {
      setWhy(whyOf(error));
    }
  };
  if (form.paid && !checkout) {
    return (
      <>
        <p>This invoice has been paid.</p>
        <div className="modal-buttons">
          <button type="button" autoFocus onClick={onClose}>
            Close
          </button>
        </div>
      </>
    );
  }
  if (checkout?.state === "choosing_shipping" && !busy) {
    return <Shipping form={form} checkout={checkout} why={why} onChosen={(id) => void act(() => api.post<Checkout>(`/checkouts/${checkout.id}/shipping`, { option: id }))} onClose={onClose} />;
  }
  return (
    <form onSubmit={submit} className="pay">
      {form.description && <p>{form.description}</p>}
      <dl className="prices">
        {form.prices.map((price, at) => (
          <div key={at}>
            <dt>{price.label}</dt>
            <dd>{priceOf(price.amount, form.currency)}</dd>
          </div>
        ))}
        {tip > 0 && (
          <div>
            <dt>Tip</dt>
            <dd>{priceOf(tip, form.currency)}</dd>
          </div>
        )}
        <div className="total">
          <dt>Total{form.subscription_period_s ? " for 30 days" : ""}</dt>
          <dd>{priceOf(total, form.currency)}</dd>
        </div>
      </dl>
      {form.tips.length > 0 && (
        <div className="tips" role="group" aria-label="Tip">
          <span aria-hidden="true">Tip</span>
          {form.tips.map((amount) => (
            <button key={amount} type="button" aria-pressed={tip === amount} onClick={() => setTip(tip === amount ? 0 : amount)}>
              {priceOf(amount, form.currency)}
            </button>
          ))}
        </div>
      )}
      <Fields needs={form.needs} />
      {isStars && stars !== null && (
        <p className="balance">
          You have {stars} ⭐
          {short && (
            <button type="button" className="plain" onClick={() => void topUp()}>
              Get {Math.max(total, 100)} ⭐
            </button>
          )}
        </p>
      )}
      {checkout?.reason && <p className="failure" role="alert">{checkout.reason}</p>}
      {why !== null && <p className="failure" role="alert">{why}</p>}
      <div className="modal-buttons">
        <button type="button" className="plain" onClick={onClose}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy || short} autoFocus>
          {busy ? "Asking the bot…" : `Pay ${priceOf(total, form.currency)}`}
        </button>
      </div>
    </form>
  );
}

function Shipping({ form, checkout, why, onChosen, onClose }: { form: InvoiceForm; checkout: Checkout; why: string | null; onChosen: (id: string) => void; onClose: () => void }) {
  return (
    <div className="pay">
      <p>How should it be sent?</p>
      <div className="options">
        {checkout.shipping_options.map((option) => (
          <button key={option.id} type="button" onClick={() => onChosen(option.id)}>
            <span>{option.title}</span>
            <span>{priceOf(option.prices.reduce((sum, price) => sum + price.amount, 0), form.currency)}</span>
          </button>
        ))}
      </div>
      {why !== null && <p className="failure" role="alert">{why}</p>}
      <div className="modal-buttons">
        <button type="button" className="plain" onClick={onClose}>
          Cancel
        </button>
      </div>
    </div>
  );
}

const ADDRESS: [string, string, string][] = [
  ["street_line1", "Street", "1 Main Street"],
  ["city", "City", "Springfield"],
  ["post_code", "Postal code", "12345"],
  ["country_code", "Country (two letters)", "US"],
];
const SINGLE: Record<string, [string, string]> = {
  name: ["Name", "text"],
  phone_number: ["Phone number", "tel"],
  email: ["E-mail", "email"],
};

function Fields({ needs }: { needs: string[] }) {
  return (
    <>
      {needs.filter((need) => need in SINGLE).map((need) => (
        <label key={need}>
          {SINGLE[need]![0]}
          <input name={need} type={SINGLE[need]![1]} required defaultValue={need === "name" ? (read().me?.first_name ?? "") : ""} />
        </label>
      ))}
      {needs.includes("shipping_address") &&
        ADDRESS.map(([name, label, example]) => (
          <label key={name}>
            {label}
            <input name={name} required placeholder={example} maxLength={name === "country_code" ? 2 : undefined} />
          </label>
        ))}
    </>
  );
}

function orderInfo(form: InvoiceForm, given: FormData): OrderInfo {
  const info: OrderInfo = {};
  for (const need of form.needs) if (need in SINGLE) info[need as "name"] = String(given.get(need) ?? "");
  if (form.needs.includes("shipping_address")) {
    info.shipping_address = { state: "", street_line2: "", ...Object.fromEntries(ADDRESS.map(([name]) => [name, String(given.get(name) ?? "")])) };
  }
  return info;
}
