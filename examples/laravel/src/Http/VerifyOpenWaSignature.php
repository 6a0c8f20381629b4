<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Http;

use Closure;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Symfony\Component\HttpFoundation\Response;

/**
 * Lets through only what the manager signed; always over the raw body, never over what was parsed from it.
 *
 * While a secret is being changed, one of two secrets here and one of two signatures there is enough.
 */
final class VerifyOpenWaSignature
{
    private const TOLERANCE_S = 300;

    public function handle(Request $request, Closure $next): Response
    {
        $isPlain = config('openwa.signature') === 'plain';
        foreach ([config('openwa.webhook_secret'), config('openwa.webhook_secret_previous')] as $secret) {
            if ($this->isUsable($secret) && ($isPlain ? $this->isSignedPlainly($request, $secret) : $this->isSigned($request, $secret))) {
                return $next($request);
            }
        }

        return new JsonResponse(['message' => 'The signature is wrong.'], 401);
    }

    /** `whsec_` with nothing behind it is a key that everybody knows. */
    private function isUsable(mixed $secret): bool
    {
        return is_string($secret) && $secret !== '' && (! str_starts_with($secret, 'whsec_') || base64_decode(substr($secret, 6), true));
    }

    /** As standardwebhooks.com says: the time is signed too, so nobody can send an old request again. */
    private function isSigned(Request $request, string $secret): bool
    {
        $sentAt = (string) $request->header('webhook-timestamp');
        if (! ctype_digit($sentAt) || abs(time() - (int) $sentAt) > self::TOLERANCE_S) {
            return false;
        }
        $key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6)) : $secret;
        $signed = $request->header('webhook-id').'.'.$sentAt.'.'.$request->getContent();
        $expected = 'v1,'.base64_encode(hash_hmac('sha256', $signed, $key, true));
        $isGood = false;
        foreach (explode(' ', (string) $request->header('webhook-signature')) as $given) {
            $isGood = hash_equals($expected, $given) || $isGood;
        }

        return $isGood;
    }

    /** The short way: blind to a repeated request, so the event's id must keep it from counting twice. */
    private function isSignedPlainly(Request $request, string $secret): bool
    {
        $expected = 'sha256='.hash_hmac('sha256', $request->getContent(), $secret);

        return hash_equals($expected, (string) $request->header('X-OpenWA-Signature'))
            || hash_equals($expected, (string) $request->header('X-OpenWA-Signature-Previous'));
    }
}
