<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

use Carbon\CarbonImmutable;
use JsonSerializable;

/**
 * A fresh code to scan. It is a login: never log it, never store it. (`session.qr`)
 *
 * It is in `qrBase64` only: not in `payload`, and not in what a log or `dd()` shows of this object.
 */
final class SessionQr extends OpenWaEvent implements JsonSerializable
{
    public ?string $qrBase64;

    public ?string $mimetype;

    public ?int $qrSeq;

    public ?int $attempt;

    public ?CarbonImmutable $expiresAt;

    /** @param  array<string, mixed>  $payload */
    public function __construct(array $payload)
    {
        parent::__construct($payload);
        $this->qrBase64 = $this->text('qr_base64');
        unset($this->payload['qr_base64']);
        $this->mimetype = $this->text('mimetype');
        $this->qrSeq = $this->number('qr_seq');
        $this->attempt = $this->number('attempt');
        $this->expiresAt = $this->time('expires_at');
    }

    /** @return array<string, mixed> */
    public function jsonSerialize(): array
    {
        return ['qrBase64' => $this->qrBase64 === null ? null : '(hidden)'] + get_object_vars($this);
    }

    /** @return array<string, mixed> */
    public function __debugInfo(): array
    {
        return $this->jsonSerialize();
    }
}
