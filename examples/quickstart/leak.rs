//! The leak: invented e-mails, a memo, screenshots of two of the mails, photos.

use std::error::Error;
use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::screen;

/// One leaked file.
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// What stands under every mail of the company, and under those of others.
pub(crate) const BOILERPLATE: [&str; 1] = [
    "This message and any attachments are confidential and intended solely for the addressee. \
     If you have received it in error, please notify the sender and delete it from your system.",
];

pub(crate) struct Mail {
    pub(crate) subject: &'static str,
    pub(crate) from: &'static str,
    pub(crate) body: &'static str,
}

pub(crate) const MAILS: [Mail; 4] = [
    Mail {
        subject: "Budget of the harbour film",
        from: "Dana Okafor <dana@northlight.example>",
        body: "Marius, the studio wants the harbour sequence cut to nine days.\nI told them that \
               the tank alone costs two hundred and forty thousand a week and that the lead will \
               walk if we lose the night shoot. Please do not forward this before Thursday, the \
               completion bond has not been signed and the insurers read every trade paper.",
    },
    Mail {
        subject: "Salaries after the merger",
        from: "Human Resources <hr@northlight.example>",
        body: "The board approved the new bands yesterday evening.\nDirectors move to grade \
               eleven with a retention bonus of forty per cent, payable in March if the merger \
               closes. Everyone below grade seven keeps the old contract, and the travel \
               allowance ends with the fiscal year. Nobody outside this list knows.",
    },
    Mail {
        subject: "The casting rumours",
        from: "Priya Raman <priya@northlight.example>",
        body: "Three agencies called about the sequel this morning, so somebody talked.\nOfficially \
               we have no script, no director and no date. Unofficially the second draft is with \
               Ingrid, she hates the ending in the lighthouse and wants the brother to survive.",
    },
    Mail {
        subject: "Server room on floor two",
        from: "Tomasz Wilk <tomasz@northlight.example>",
        body: "The auditors found the backup tapes in an unlocked cupboard next to the kitchen.\n\
               Before anyone panics: the tapes are encrypted, but the passphrase was taped to the \
               inside of the door. I have changed both and ordered a safe. Please stop using \
               the old file share, it still answers to the password from the launch party.",
    },
];

const MEMO: &str = "# Release plan, not for distribution\n\n\
    The winter slate moves by six weeks. **Lighthouse** opens on the second Friday of February in \
    fourteen territories, with no press screening before the Wednesday. The trailer that tested at \
    seventy-one will be replaced by the one with the storm, even though it gives away the boat.\n\n\
    - Streaming follows after thirty-two days, not forty-five as the exhibitors were told.\n\
    - The animated short in front of it was bought for less than the catering of the premiere.\n\
    - If the opening weekend stays under nineteen million, the sequel is written down at once.\n\n\
    Marketing keeps a reserve of three million for awards, to be spent only after the nominations.";

/// All files of the leak.
pub(crate) fn items() -> Result<Vec<Item>, Box<dyn Error>> {
    let mut items = Vec::new();
    for (i, mail) in MAILS.iter().enumerate() {
        items.push(Item {
            name: format!("mails/{:02}.eml", i + 1),
            bytes: eml(mail).into_bytes(),
        });
    }
    items.push(Item {
        name: "memo.md".to_owned(),
        bytes: MEMO.as_bytes().to_vec(),
    });
    for (i, mail) in MAILS.iter().take(2).enumerate() {
        let screen = screen::mail(mail.subject, mail.from, mail.body);
        items.push(Item {
            name: format!("screens/{:02}.png", i + 1),
            bytes: encode(&screen, ImageFormat::Png)?,
        });
    }
    for seed in 1..=4 {
        items.push(Item {
            name: format!("stills/{seed:02}.jpg"),
            bytes: encode(&screen::photo(seed), ImageFormat::Jpeg)?,
        });
    }
    Ok(items)
}

/// The mail as a file.
pub(crate) fn eml(mail: &Mail) -> String {
    format!(
        "From: {}\r\nTo: Marius Lund <marius@northlight.example>\r\nSubject: {}\r\n\
         Date: Mon, 24 Nov 2014 08:03:12 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n\r\n{}\r\n",
        mail.from,
        mail.subject,
        mail.body.replace('\n', "\r\n"),
        BOILERPLATE[0]
    )
}

pub(crate) fn encode(picture: &RgbImage, format: ImageFormat) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format)?;
    Ok(bytes.into_inner())
}
